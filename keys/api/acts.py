"""REST for acts that need no more than a key, the same on both kinds of key."""

from collections.abc import Callable

from django.http import HttpRequest
from ninja import Router

from keys import lifecycle
from keys.api.auth import MANAGE, SECRETS
from keys.api.schemas import ExtendOverlap, StateOut
from keys.audit import Actor
from keys.models import Key
from keys.permissions import Act

Find = Callable[..., Key]  # keys.permissions.get_app_key or get_provider_key


# act -> its path below the key, and its operation's id
PATHS = {
    "finish": ("rotation/finish", "finish_{}_rotation"),
    "cancel": ("rotation/cancel", "cancel_{}_rotation"),
    "disable": ("disable", "disable_{}"),
    "enable": ("enable", "enable_{}"),
    "revoke": ("revoke", "revoke_{}"),
}


def add_acts(router: Router, one: str, kind: str, find: Find, **words: str) -> None:
    """Put the acts under `one`, the path of a key of this kind; `words` say what they do to it."""
    router.add_api_operation(
        f"{one}/rotation/extend",
        ["POST"],
        _extender(find, lifecycle.KEY_ACTS["finish"].right(kind)),
        auth=SECRETS,
        response=StateOut,
        operation_id=f"extend_{kind}_overlap",
        summary="Extend Overlap",
        description="The old secret serves on, so many seconds from now.",
    )
    for name, (path, operation_id) in PATHS.items():
        act = lifecycle.KEY_ACTS[name]
        router.add_api_operation(
            f"{one}/{path}",
            ["POST"],
            _handler(act, find, act.right(kind)),
            auth=SECRETS if act.step_up else MANAGE,
            response=StateOut,
            operation_id=operation_id.format(kind),
            summary=operation_id.replace("_{}", "").replace("_", " ").title(),
            description=words.get(name),
        )


def _extender(find: Find, act: Act) -> Callable[..., StateOut]:
    def handle(request: HttpRequest, slug: str, key_id: str, body: ExtendOverlap) -> StateOut:
        key = find(request.user, slug, key_id, act)
        lifecycle.extend_overlap(Actor.of(request), key, overlap_seconds=body.overlap_seconds)
        return StateOut(id=key.id, state=key.state)

    return handle


def _handler(plain: lifecycle.KeyAct, find: Find, act: Act) -> Callable[..., StateOut]:
    def handle(request: HttpRequest, slug: str, key_id: str) -> StateOut:
        key = find(request.user, slug, key_id, act)
        plain.run(Actor.of(request), key)
        return StateOut(id=key.id, state=key.state)

    return handle
