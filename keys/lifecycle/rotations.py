"""An open rotation of either kind of key, ended: on purpose, taken back, or by the clock."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from keys.audit import Action, Actor
from keys.lifecycle import versions
from keys.lifecycle.errors import Conflict
from keys.lifecycle.journal import Key, note_key
from keys.lifecycle.locks import hold_key
from keys.lifecycle.rotation import forget_verdict, promote
from keys.models import AppKeyVersion, ProviderKey, ProviderKeyVersion
from keys.states import Stage


def finish_rotation(actor: Actor, key: Key) -> None:
    """Promote the version that waits, tested or not; else end the overlap now."""
    with transaction.atomic():
        versions.lock_for_change(key)
        now = timezone.now()
        waiting = versions.at_stage(key, Stage.PENDING, Stage.TESTED)
        previous = versions.at_stage(key, Stage.PREVIOUS)
        if isinstance(key, ProviderKey) and isinstance(waiting, ProviderKeyVersion):
            was = waiting.stage
            if was == Stage.PENDING:
                versions.move(waiting, Stage.TESTED)
            promote(actor, key, waiting, on_purpose=True, stage=was)
            forget_verdict(key, now)
        elif previous is not None:
            versions.retire(previous, now)
            note_key(actor, Action.ROTATION_FINISHED, key, retired=previous.number)
        else:
            raise Conflict("No rotation of this key is open.")


def cancel_rotation(actor: Actor, key: Key) -> None:
    """Drop the version that waits; else bring the previous one back as current."""
    with transaction.atomic():
        versions.lock_for_change(key)
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
            if isinstance(key, ProviderKey):
                forget_verdict(key, now)
            note_key(
                actor,
                Action.ROTATION_CANCELLED,
                key,
                dropped=dropped.number,
                brought_back=previous.number,
            )
        else:
            raise Conflict("No rotation of this key is open.")


def end_overlaps(now: datetime) -> int:
    """Retire the previous versions whose time is over; returns how many."""
    return sum(
        _end(version, now)
        for model in (ProviderKeyVersion, AppKeyVersion)
        for version in _overdue(model, now)
    )


def _overdue(
    model: type[ProviderKeyVersion] | type[AppKeyVersion], now: datetime
) -> list[ProviderKeyVersion | AppKeyVersion]:
    rows = model._default_manager.filter(stage=Stage.PREVIOUS, retires_at__lte=now)
    return list(rows.select_related("key__application"))


def _end(version: ProviderKeyVersion | AppKeyVersion, now: datetime) -> bool:
    try:
        with transaction.atomic():
            hold_key(version.key)
            versions.retire(version, now)
            actor = Actor.system("end_overlaps")
            note_key(actor, Action.OVERLAP_ENDED, version.key, retired=version.number)
    except Conflict:
        return False  # a person was quicker
    return True
