"""Minutes, hours and days: which table of counts answers for which part of a range. Pure.

All times are aware and all buckets are UTC. How long each is kept is a setting.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.conf import settings


class Step(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        return _LENGTHS[self]

    @property
    def seconds(self) -> int:
        return _SECONDS[self]


_LENGTHS = {
    Step.MINUTE: timedelta(minutes=1),
    Step.HOUR: timedelta(hours=1),
    Step.DAY: timedelta(days=1),
}
_SECONDS = {step: int(length.total_seconds()) for step, length in _LENGTHS.items()}
_COARSER = {Step.MINUTE: Step.HOUR, Step.HOUR: Step.DAY, Step.DAY: Step.DAY}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a range that counts of one step answer exactly."""

    step: Step
    since: datetime
    until: datetime


def floor(at: datetime, step: Step) -> datetime:
    seconds = int(at.timestamp() // step.seconds) * step.seconds
    return datetime.fromtimestamp(seconds, UTC)


def ceil(at: datetime, step: Step) -> datetime:
    start = floor(at, step)
    return start if start == at else start + step.length


def kept_since(step: Step, now: datetime) -> datetime | None:
    """The start of what is kept of a step's counts; None: everything."""
    length = settings.COUNTS_KEPT[step.value]
    if length is None:
        return None
    # Cut at the next coarser bucket, so that a bucket is kept or gone with all its parts.
    return floor(now - length, _COARSER[step])


def finest(at: datetime, now: datetime, told: Step = Step.MINUTE) -> Step:
    """The finest step whose counts still reach back to `at`; `told` is the finest there is."""
    for step in (Step.MINUTE, Step.HOUR):
        start = kept_since(step, now)
        if step.length >= told.length and (start is None or at >= start):
            return step
    return Step.DAY


def widened(
    since: datetime, until: datetime, now: datetime, told: Step = Step.MINUTE
) -> tuple[datetime, datetime]:
    """The range, its ends moved outwards to what the counts that are kept can tell."""
    return floor(since, finest(since, now, told)), ceil(until, finest(until, now, told))


def pieces(
    since: datetime,
    until: datetime,
    now: datetime,
    coarsest: Step = Step.DAY,
    told: Step = Step.MINUTE,
) -> list[Piece]:
    """Covers a widened range: whole days from the day's counts, edges from hours and minutes.

    No piece is coarser than `coarsest`, which the counts must still be kept for, nor finer than
    `told`.
    """
    since, until = widened(since, until, now, told)
    steps = (Step.DAY, Step.HOUR, Step.MINUTE)
    return list(_cover(since, until, steps[steps.index(coarsest) :]))


def _cover(since: datetime, until: datetime, steps: tuple[Step, ...]) -> Iterator[Piece]:
    if since >= until:
        return
    step, finer = steps[0], steps[1:]
    first, last = ceil(since, step), floor(until, step)
    if first >= last:
        yield from _cover(since, until, finer)
        return
    yield from _cover(since, first, finer)
    yield Piece(step, first, last)
    yield from _cover(last, until, finer)


def ticks(since: datetime, until: datetime, step: Step) -> Iterator[datetime]:
    """The buckets from the one that holds `since` to the last that starts before `until`."""
    at = floor(since, step)
    while at < until:
        yield at
        at += step.length
