"""Who calls REST: a personal token in `Authorization: Bearer kdt_…`, never a session cookie.

The token's scopes stand for the pages' step-up (DESIGN section 2): `read` for looking, `manage`
for changes, `secrets` for what a page would ask the password again for.
"""

import hmac
from datetime import timedelta

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from keys.api.errors import ScopeMissing
from keys.models import ApiToken
from keys.tokens import parse_api_token, token_digest

# last_used_at is for people; one write a minute is exact enough.
TOUCH_EVERY = timedelta(seconds=60)


class ApiTokenAuth(HttpBearer):
    """Finds the token, checks its scope and makes its user the request's."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        found = _find(token.strip())
        if found is None:
            return None
        if self.scope not in found.scopes:
            raise ScopeMissing(self.scope)
        _touch(found)
        request.user = found.user
        return found


READ = ApiTokenAuth("read")
MANAGE = ApiTokenAuth("manage")
SECRETS = ApiTokenAuth("secrets")


def require_scope(request: HttpRequest, scope: str) -> None:
    """For an act whose scope depends on what was sent. Raises ScopeMissing."""
    token = getattr(request, "auth", None)
    if not isinstance(token, ApiToken) or scope not in token.scopes:
        raise ScopeMissing(scope)


def still_works(token: ApiToken, request: HttpRequest) -> bool:
    """Whether a token that was let in still would be. Its user, as they are
    now, becomes the request’s."""
    found = ApiToken.working().filter(pk=token.pk).select_related("user").first()
    if found is None or found.digest != token.digest:
        return False
    request.user = found.user
    return True


def _find(text: str) -> ApiToken | None:
    id = parse_api_token(text)
    found = ApiToken.working().filter(pk=id).select_related("user").first() if id else None
    if found is None:
        return None
    digest = token_digest(text, found.user_id, found.scopes, found.expires_at)
    return found if hmac.compare_digest(found.digest, digest) else None


def _touch(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - TOUCH_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
