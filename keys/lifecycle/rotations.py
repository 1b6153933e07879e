"""An open rotation of either kind of key, ended: on purpose, taken back, or by the clock."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys import health
from keys.audit import Action, Actor
from keys.lifecycle import versions
from keys.lifecycle.errors import Conflict, Invalid
from keys.lifecycle.inputs import clean_overlap
from keys.lifecycle.journal import note_key
from keys.lifecycle.locks import hold_key
from keys.lifecycle.rotation import promote
from keys.models import AppKeyVersion, Key, KeyVersion, ProviderKey, ProviderKeyVersion
from keys.states import Stage

CLOCK = Actor.system("end_overlaps")
AHEAD = timedelta(seconds=60)  # how long before its end an overlap in use is extended


def finish_rotation(actor: Actor, key: Key) -> None:
    """Promote the version that waits, tested or not; else end the overlap now."""
    with transaction.atomic():
        versions.lock_for_change(actor, key)
        now = timezone.now()
        waiting = versions.at_stage(key, Stage.PENDING, Stage.TESTED)
        previous = versions.at_stage(key, Stage.PREVIOUS)
        if isinstance(key, ProviderKey) and isinstance(waiting, ProviderKeyVersion):
            was = waiting.stage
            if was == Stage.PENDING:
                versions.move(waiting, Stage.TESTED)
            promote(actor, key, waiting, on_purpose=True, stage=was)
            health.forget(key, now)
        elif previous is not None:
            versions.retire(previous, now)
            note_key(actor, Action.ROTATION_FINISHED, key, retired=previous.number)
        else:
            raise Conflict("No rotation of this key is open.")


def cancel_rotation(actor: Actor, key: Key) -> None:
    """Drop the version that waits; else bring the previous one back as current."""
    with transaction.atomic():
        versions.lock_for_change(actor, key)
        now = timezone.now()
        waiting = versions.at_stage(key, Stage.PENDING, Stage.TESTED)
        previous = versions.at_stage(key, Stage.PREVIOUS)
        if waiting is not None:
            versions.move(waiting, Stage.FAILED)
            note_key(actor, Action.ROTATION_CANCELLED, key, dropped=waiting.number)
        elif previous is not None:
            dropped = versions.current(key)
            versions.retire(dropped, now)
            versions.move(previous, Stage.CURRENT, retires_at=None, promoted_at=now)
            told = {"dropped": dropped.number, "brought_back": previous.number}
            versions.note_in_use(actor, Action.ROTATION_CANCELLED, key, previous, **told)
            if isinstance(key, ProviderKey):
                health.forget(key, now)
        else:
            raise Conflict("No rotation of this key is open.")


def extend_overlap(actor: Actor, key: Key, *, overlap_seconds: int) -> None:
    """Let the previous version serve on, `overlap_seconds` from now."""
    overlap = clean_overlap(overlap_seconds)
    if not overlap:
        raise Invalid("overlap_seconds", "To end the overlap now, finish the rotation.")
    with transaction.atomic():
        versions.lock_for_change(actor, key)
        previous = versions.at_stage(key, Stage.PREVIOUS)
        if previous is None:
            raise Conflict("No overlap of this key is open.")
        until = timezone.now() + overlap
        versions.put_off(previous, until)
        told = {"version": previous.number, "retires_at": until}
        versions.note_in_use(actor, Action.OVERLAP_EXTENDED, key, previous, **told)


def end_overlaps(now: datetime) -> int:
    """Retire the previous versions whose time is over; returns how many.

    One that is to be retired when silent goes as soon as it is; while it isn't, its end is put
    off, a little ahead of it, so that no process refuses it in between.
    """
    return sum(
        _settle(version, now)
        for model in (ProviderKeyVersion, AppKeyVersion)
        for version in _due(model, now)
    )


def _due(model: type[KeyVersion], now: datetime) -> list[KeyVersion]:
    previous = model._default_manager.filter(stage=Stage.PREVIOUS)
    over = Q(retires_at__lte=now) | Q(retires_at=None) | Q(silent_seconds__isnull=False)
    return list(previous.filter(over).select_related("key__application"))


def _settle(version: KeyVersion, now: datetime) -> bool:
    """Whether the version is retired now."""
    if version.silent_seconds is None or versions.is_out(version):
        return _end(version, now)
    silence = timedelta(seconds=version.silent_seconds)
    if now - _last_heard(version) >= silence:
        return _end(version, now, silent_seconds=version.silent_seconds)
    if version.retires_at is None or version.retires_at - now <= min(AHEAD, silence / 2):
        _put_off(version, now + silence)
    return False


def _last_heard(version: KeyVersion) -> datetime:
    """The last use of a previous version, or when it became one."""
    since = versions.current(version.key).promoted_at or version.created_at
    return max(since, version.last_used_at or since)


def _end(version: KeyVersion, now: datetime, **why: object) -> bool:
    try:
        with transaction.atomic():
            hold_key(CLOCK, version.key)
            versions.retire(version, now)
            note_key(CLOCK, Action.OVERLAP_ENDED, version.key, retired=version.number, **why)
    except Conflict:
        return False  # a person was quicker
    return True


def _put_off(version: KeyVersion, until: datetime) -> None:
    try:
        with transaction.atomic():
            hold_key(CLOCK, version.key)
            versions.put_off(version, until, extensions=version.extensions + 1)
            told = {"version": version.number, "retires_at": until, "used": version.last_used_at}
            note_key(CLOCK, Action.OVERLAP_EXTENDED, version.key, **told)
    except Conflict:
        return  # a person was quicker
