"""Personal API tokens: given out once, kept as a digest."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys import lifecycle, tokens
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import ApiToken, AuditEvent, User


def test_a_token_is_kept_as_its_digest_alone(actor: Actor, owner: User) -> None:
    text = lifecycle.issue_token(actor, owner, name="deploy")
    token = ApiToken.objects.get(pk=tokens.parse_api_token(text))
    assert token.scopes == ["read", "manage", "secrets"]
    assert token.digest == tokens.token_digest(text, owner.pk, token.scopes, None)
    event = AuditEvent.objects.get(action="token.issued")
    assert text not in f"{event.detail} {event.target}"


def test_scopes_are_the_known_ones_in_their_order(actor: Actor, owner: User) -> None:
    lifecycle.issue_token(actor, owner, name="deploy", scopes=("manage", "read"))
    assert ApiToken.objects.get().scopes == ["read", "manage"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scopes", ()),
        ("scopes", ("root",)),
        ("name", ""),
        ("expires_at", timezone.now() - timedelta(seconds=1)),
    ],
)
def test_bad_input_is_refused_by_its_field(
    actor: Actor, owner: User, field: str, value: Any
) -> None:
    with pytest.raises(Invalid) as caught:
        lifecycle.issue_token(actor, owner, **{"name": "deploy", field: value})
    assert caught.value.field == field


def test_a_token_is_revoked_once(actor: Actor, owner: User) -> None:
    lifecycle.issue_token(actor, owner, name="deploy")
    token = ApiToken.objects.get()
    lifecycle.revoke_token(actor, token)
    assert token.revoked_at is not None
    with pytest.raises(Conflict):
        lifecycle.revoke_token(actor, token)
