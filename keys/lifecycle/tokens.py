"""Personal API tokens: the text is given out once, a digest is kept."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from keys import audit, tokens
from keys.audit import Action, Actor
from keys.lifecycle.errors import Conflict, Invalid
from keys.lifecycle.inputs import clean_expiry, clean_name
from keys.models import ApiToken, User
from keys.models.ids import new_id

SCOPES = ("read", "manage", "secrets")


def issue_token(
    actor: Actor,
    user: User,
    *,
    name: str,
    scopes: Sequence[str] = SCOPES,
    expires_at: datetime | None = None,
) -> str:
    """A new token of this user; returns its text, which is kept nowhere."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise Invalid("scopes", f"Scopes are some of {', '.join(SCOPES)}.")
    name, expires_at = clean_name(name), clean_expiry(expires_at)
    id = new_id()
    text = tokens.new_api_token(id)
    given = [scope for scope in SCOPES if scope in scopes]
    with transaction.atomic():
        token = ApiToken.objects.create(
            id=id,
            user=user,
            name=name,
            digest=tokens.token_digest(text, user.pk, given, expires_at),
            scopes=given,
            expires_at=expires_at,
        )
        detail = {"name": name, "user": user.email, "scopes": token.scopes}
        audit.record(actor, Action.TOKEN_ISSUED, f"api_token:{id}", **detail)
    return text


def revoke_token(actor: Actor, token: ApiToken) -> None:
    with transaction.atomic():
        now = timezone.now()
        rows = ApiToken.objects.filter(pk=token.pk, revoked_at=None)
        # Without its digest the row is nobody's token, whatever else is written into it.
        if rows.update(revoked_at=now, digest=f"revoked {token.pk}") != 1:
            raise Conflict("This token is revoked already.")
        token.revoked_at = now
        audit.record(actor, Action.TOKEN_REVOKED, f"api_token:{token.pk}", name=token.name)
