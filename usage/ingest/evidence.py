"""What stored calls say about keys: when they were last used, and how provider keys fare."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace

from django.db import DatabaseError, models, transaction
from django.db.models import Value
from django.db.models.functions import Coalesce, Greatest

from keys import changes, health
from keys.models import AppKey, AppKeyVersion, ProviderKey, ProviderKeyVersion
from usage.classify import KEY_CODES, kind_of
from usage.events import CallEvent, Outcome
from usage.ingest.rows import ended_at, time_of

logger = logging.getLogger(__name__)


def hand_over(events: list[CallEvent]) -> None:
    """Moves the keys' last use and tells their health, within the caller's transaction.

    A provider key that was tried before another is told of like one that the call ended with.
    """
    events = [told for event in events for told in (*_tried(event), event)]
    _touch(AppKey, ((event.app_key, event.started_at) for event in events))
    _touch(ProviderKey, ((event.provider_key, event.started_at) for event in events))
    _touch_versions(events)
    telling = sorted(_by_version(events).items())
    moved = [
        _tell(key_id, event) for (key_id, _), told in telling for event in _worth_telling(told)
    ]
    if any(moved):
        changes.bump()  # its row is locked after those of all keys


def _tried(event: CallEvent) -> Iterator[CallEvent]:
    for attempt in event.tried:
        yield replace(
            event,
            provider_key=attempt.provider_key,
            provider_key_version=attempt.provider_key_version,
            outcome=attempt.outcome,
            code=attempt.code,
            message="",
            status=attempt.status,
        )


def _touch(model: type[models.Model], uses: Iterable[tuple[str, int]]) -> None:
    latest: dict[str, int] = {}
    for key_id, at in uses:
        if key_id and at > latest.get(key_id, 0):
            latest[key_id] = at
    for key_id, milliseconds in sorted(latest.items()):
        used_at = Value(time_of(milliseconds))
        latest_use = Greatest(Coalesce("last_used_at", used_at), used_at)
        # Written also where nothing changes: from here on all keys are locked, in one order.
        model._default_manager.filter(pk=key_id).update(last_used_at=latest_use)


def _touch_versions(events: list[CallEvent]) -> None:
    """The last use of each version: whether an old secret still is in use (keys.lifecycle)."""
    latest: dict[tuple[bool, str, int], int] = {}
    for event in events:
        for theirs, key_id, number in (
            (False, event.app_key, event.app_key_version),
            (True, event.provider_key, event.provider_key_version),
        ):
            place = (theirs, key_id, number)
            if key_id and number and event.started_at > latest.get(place, 0):
                latest[place] = event.started_at
    for (theirs, key_id, number), milliseconds in sorted(latest.items()):
        model: type[models.Model] = ProviderKeyVersion if theirs else AppKeyVersion
        used_at = Value(time_of(milliseconds))
        latest_use = Greatest(Coalesce("last_used_at", used_at), used_at)
        rows = model._default_manager.filter(key=key_id, number=number)
        rows.update(last_used_at=latest_use)


def _by_version(events: list[CallEvent]) -> dict[tuple[str, int], list[CallEvent]]:
    found: dict[tuple[str, int], list[CallEvent]] = {}
    for event in events:
        if event.provider_key and (event.outcome is Outcome.OK or _is_refusal(event)):
            version = (event.provider_key, event.provider_key_version)
            found.setdefault(version, []).append(event)
    return found


def _is_refusal(event: CallEvent) -> bool:
    return event.outcome is Outcome.KEY_ERROR and event.code in KEY_CODES


def _worth_telling(events: list[CallEvent]) -> list[CallEvent]:
    """The latest success and, in their order, the first refusal after it (or else the first)."""
    ordered = sorted(events, key=ended_at)
    successes = [index for index, event in enumerate(ordered) if event.outcome is Outcome.OK]
    refusals = [index for index, event in enumerate(ordered) if event.outcome is not Outcome.OK]
    if not successes or not refusals:
        return [ordered[-1]] if successes else ordered[:1]
    after = [index for index in refusals if index > successes[-1]]
    return [ordered[index] for index in sorted([successes[-1], (after or refusals)[0]])]


def _tell(key_id: str, event: CallEvent) -> bool:
    try:
        with transaction.atomic():
            return health.traffic(
                key_id,
                event.provider_key_version,
                kind_of(event.outcome, event.code),
                event.status,
                event.code,
                event.message,
                ended_at(event),
            )
    except DatabaseError:
        raise
    except Exception:
        # A fault in judging must not keep calls from being stored.
        logger.exception("Health of provider key %s could not be judged", key_id)
        return False
