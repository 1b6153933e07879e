"""REST for acts that need no more than a key, the same on both kinds of key."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from ninja import Router

from keys import lifecycle
from keys.api.auth import MANAGE, SECRETS, ApiTokenAuth
from keys.api.schemas import ExtendOverlap, StateOut
from keys.audit import Actor
from keys.models import AppKey, ProviderKey
from keys.permissions import Act

Key = ProviderKey | AppKey
Find = Callable[..., Key]  # keys.permissions.get_app_key or get_provider_key


@dataclass(frozen=True, slots=True)
class Plain:
    """One act: what carries it out, where, and whose token may."""

    run: Callable[[Actor, Key], object]
    path: str
    operation_id: str
    scope: ApiTokenAuth
    app_key_act: Act


PLAIN: dict[str, Plain] = {
    "finish_rotation": Plain(
        lifecycle.finish_rotation,
        "rotation/finish",
        "finish_{}_rotation",
        SECRETS,
        Act.ROTATE_APP_KEY,
    ),
    "cancel_rotation": Plain(
        lifecycle.cancel_rotation,
        "rotation/cancel",
        "cancel_{}_rotation",
        SECRETS,
        Act.ROTATE_APP_KEY,
    ),
    "disable": Plain(lifecycle.disable, "disable", "disable_{}", MANAGE, Act.REVOKE_APP_KEY),
    "enable": Plain(lifecycle.enable, "enable", "enable_{}", MANAGE, Act.REVOKE_APP_KEY),
    "revoke": Plain(lifecycle.revoke, "revoke", "revoke_{}", SECRETS, Act.REVOKE_APP_KEY),
}


def add_acts(
    router: Router, one: str, kind: str, find: Find, *, act: Act | None = None, **words: str
) -> None:
    """Put the acts under `one`, the path of a key of this kind.

    `act` is what a role must allow for each of them (None: the one of app keys); `words` say
    what an act does to this kind.
    """
    router.add_api_operation(
        f"{one}/rotation/extend",
        ["POST"],
        _extender(find, act or Act.ROTATE_APP_KEY),
        auth=SECRETS,
        response=StateOut,
        operation_id=f"extend_{kind}_overlap",
        summary="Extend Overlap",
        description="The old secret serves on, so many seconds from now.",
    )
    for name, plain in PLAIN.items():
        router.add_api_operation(
            f"{one}/{plain.path}",
            ["POST"],
            _handler(plain, find, act or plain.app_key_act),
            auth=plain.scope,
            response=StateOut,
            operation_id=plain.operation_id.format(kind),
            summary=name.replace("_", " ").title(),
            description=words.get(name),
        )


def _extender(find: Find, act: Act) -> Callable[..., StateOut]:
    def handle(request: HttpRequest, slug: str, key_id: str, body: ExtendOverlap) -> StateOut:
        key = find(request.user, slug, key_id, act)
        lifecycle.extend_overlap(Actor.of(request), key, overlap_seconds=body.overlap_seconds)
        return StateOut(id=key.id, state=key.state)

    return handle


def _handler(plain: Plain, find: Find, act: Act) -> Callable[..., StateOut]:
    def handle(request: HttpRequest, slug: str, key_id: str) -> StateOut:
        key = find(request.user, slug, key_id, act)
        plain.run(Actor.of(request), key)
        return StateOut(id=key.id, state=key.state)

    return handle
