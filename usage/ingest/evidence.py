"""What stored calls say about keys: when they were last used, and how provider keys fare."""

import logging
from collections.abc import Iterable, Iterator

from django.db import DatabaseError, transaction

from keys import changes, health
from keys.models import AppKey, AppKeyVersion, ProviderKey, ProviderKeyVersion
from usage.bulk import raise_times
from usage.classify import KEY_CODES, kind_of
from usage.events import CallEvent, Outcome
from usage.ingest.kinds import Gathered
from usage.ingest.rows import ended_at, time_of

logger = logging.getLogger(__name__)

Uses = dict[tuple[str, int], int]  # by key and version: the latest call's start, epoch ms


def hand_over(gathered: Gathered) -> None:
    """Moves the keys' last use and tells their health, within the caller's transaction.

    A provider key that was tried before another is told of like one that the call ended with.
    """
    events = gathered.events()
    tried = [told for event in events for told in _tried(event)]
    app_keys, provider_keys = Uses(), Uses()
    for kind in gathered.kinds:
        _, app_key, app_version, _, provider_key, provider_version = kind.dimensions[:6]
        _use(app_keys, app_key, app_version, kind.latest)
        _use(provider_keys, provider_key, provider_version, kind.latest)
    for told in tried:
        _use(provider_keys, told.provider_key, told.provider_key_version, told.started_at)
    _touch(app_keys, provider_keys)
    telling = sorted(_by_version([*events, *tried]).items())
    moved = [
        _tell(key_id, event) for (key_id, _), told in telling for event in _worth_telling(told)
    ]
    if any(moved):
        changes.bump()  # its row is locked after those of all keys


def _tried(event: CallEvent) -> Iterator[CallEvent]:
    for attempt in event.tried:
        yield event._replace(
            provider_key=attempt.provider_key,
            provider_key_version=attempt.provider_key_version,
            outcome=attempt.outcome,
            code=attempt.code,
            message="",
            status=attempt.status,
        )


def _use(uses: Uses, key_id: str, number: int, at: int) -> None:
    if key_id and at > uses.get((key_id, number), 0):
        uses[key_id, number] = at


def _touch(app_keys: Uses, provider_keys: Uses) -> None:
    """The last use of keys and of their versions: whether an old secret is in use (lifecycle).

    Written also where nothing changes: from here on all keys are locked, in one order.
    """
    for uses, model, of_versions in (
        (app_keys, AppKey, AppKeyVersion),
        (provider_keys, ProviderKey, ProviderKeyVersion),
    ):
        latest: dict[str, int] = {}
        for (key_id, _), at in uses.items():
            latest[key_id] = max(at, latest.get(key_id, 0))
        raise_times(model, "last_used_at", ("id",), [(k, time_of(at)) for k, at in latest.items()])
        versions = [(*place, time_of(at)) for place, at in uses.items() if place[1]]
        raise_times(of_versions, "last_used_at", ("key_id", "number"), versions)


def _by_version(events: Iterable[CallEvent]) -> dict[tuple[str, int], list[CallEvent]]:
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
