"""The state of a key, moved along the table of `keys.states` by compare-and-swap."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from keys import watching
from keys.audit import Action, Actor
from keys.lifecycle import versions
from keys.lifecycle.errors import Conflict
from keys.lifecycle.journal import note_key
from keys.lifecycle.locks import hold_key
from keys.models import AppKey, AppKeyVersion, Key, ProviderKey
from keys.states import TRANSITIONS, WORKING, KeyState, Stage


def disable(actor: Actor, key: Key) -> None:
    """Refuse the key until it is enabled again."""
    with transaction.atomic():
        hold_key(actor, key)
        _move(key, "disable")
        note_key(actor, Action.KEY_DISABLED, key)


def enable(actor: Actor, key: Key) -> None:
    with transaction.atomic():
        hold_key(actor, key)
        if isinstance(key, AppKey) and key.expires_at and key.expires_at <= timezone.now():
            raise Conflict("This key has expired: make a new one.")
        _move(key, "enable")
        versions.note_in_use(actor, Action.KEY_ENABLED, key, versions.current(key))


def revoke(actor: Actor, key: Key) -> None:
    """End the key for good.

    A provider key keeps its sealed secrets: whether the provider still takes those that were in
    use is looked at until it doesn't. An app key's text is of no use any more and is dropped.
    """
    with transaction.atomic():
        hold_key(actor, key)
        now = timezone.now()
        if isinstance(key, ProviderKey):
            _move(key, "revoke", next_check_at=None, lease_until=None)
            held = key.versions.filter(stage__in=WORKING)
            watching.watch(key, list(held.values_list("number", flat=True)), now)
        else:
            _move(key, "revoke")
            AppKeyVersion.objects.filter(key=key).update(sealed="")
        waiting = versions.at_stage(key, Stage.PENDING, Stage.TESTED)
        if waiting is not None:
            versions.move(waiting, Stage.FAILED)
        previous = versions.at_stage(key, Stage.PREVIOUS)
        if previous is not None:
            versions.retire(previous, now)
        note_key(actor, Action.KEY_REVOKED, key)


def expire_app_keys(now: datetime) -> int:
    """Expire the app keys whose time has come; returns how many."""
    usable = TRANSITIONS["expire"][0]
    due = AppKey.objects.filter(state__in=usable, expires_at__lte=now)
    return sum(_expire(key) for key in due.select_related("application"))


def _expire(key: AppKey) -> bool:
    try:
        with transaction.atomic():
            actor = Actor.system("expire_app_keys")
            hold_key(actor, key)
            _move(key, "expire")
            note_key(actor, Action.KEY_EXPIRED, key, expires_at=key.expires_at)
    except Conflict:
        return False  # a person was quicker
    return True


def _move(key: Key, act: str, **fields: Any) -> None:
    """One step of the table, taken only from a state that allows it."""
    allowed, target = TRANSITIONS[act]
    rows = type(key)._default_manager.filter(pk=key.pk, state__in=allowed)
    if rows.update(state=target, **fields) != 1:
        now_in = type(key)._default_manager.filter(pk=key.pk).values_list("state", flat=True)
        raise Conflict(_refusal(act, now_in.first()))
    key.state = target
    for name, value in fields.items():
        setattr(key, name, value)


def _refusal(act: str, state: str | None) -> str:
    if state is None:
        return "This key is gone."
    if state == KeyState.REVOKED:
        return "This key is revoked, which can't be undone."
    return f"This key is {state}: you can't {act} it."
