"""The same sums over time: a point for every step, zeros included."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo

from django.utils import timezone

from usage.periods import Piece, Step, ceil, finest, floor, pieces, ticks
from usage.rollups import Family, family_for
from usage.stats.counts import Adder, Timed, latency_of, passed
from usage.stats.filters import Filter
from usage.stats.reading import (
    among,
    both,
    check_kept,
    column,
    tells_latency,
)

OTHER = "other"
TOP = 12  # values of a breakdown that are told apart
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point(Timed):
    """One bucket of a series. `by`: requests per value of what the series is broken down by."""

    at: datetime
    by: dict[str, int] = field(default_factory=dict)


def series(
    f: Filter,
    step: Step | str,
    by: str = "outcome",
    now: datetime | None = None,
    zone: tzinfo = UTC,
) -> list[Point]:
    """One point per step; the range is widened to whole steps. One query.

    Days begin at midnight in `zone`. Where that is within an hour whose minutes are no longer kept,
    the day begins with the next whole hour, as its `at` says. Hours and minutes are those of UTC.

    Raises TooFine when the counts of that step are not kept that long (days of another zone are
    made of hours), ValueError for a step or a breakdown that does not exist, Unanswerable for what
    no table of counts tells together.
    """
    by = column(f, by)
    step, now = Step(step), now or timezone.now()
    family = family_for(f.names | {"outcome", by})
    starts, end = _buckets(f, step, zone, family, now)
    told = among(f, _covering(starts, end, step, family, now))
    adders: defaultdict[int, Adder] = defaultdict(Adder)
    values: defaultdict[int, Counter[str]] = defaultdict(Counter)
    # The histograms of the fewest rows that know the filter: they need not tell `by` apart.
    least = family_for(f.names)
    timed = least if tells_latency(f.names, least) else None
    found, histograms = both(family, timed, told, f.ends, "at", "outcome", by)
    seconds = [start.timestamp() for start in starts]
    for moment, outcome, value, *counted in found:
        place = bisect_right(seconds, moment) - 1
        adders[place].add(outcome, counted)
        values[place][str(value)] += counted[0]
    packed: defaultdict[int, list[bytes]] = defaultdict(list)
    for moment, histogram in histograms:
        packed[bisect_right(seconds, moment) - 1].append(histogram)
    shown = _top(values.values())
    return [
        Point(
            at=at,
            by=_folded(values[place], shown),
            seconds=passed(at, until, now),
            latency_ms=latency_of(packed[place]),
            **adders[place].result(),
        )
        for place, (at, until) in enumerate(zip(starts, [*starts[1:], end], strict=True))
    ]


def _buckets(
    f: Filter, step: Step, zone: tzinfo, family: Family, now: datetime
) -> tuple[list[datetime], datetime]:
    """Where the buckets begin, and where the last one ends. Raises TooFine."""
    since, until = f.range(now)
    if step is not Step.DAY or zone is UTC:
        since, until = floor(since, step), ceil(until, step)
        check_kept(since, step, now, family)
        return list(ticks(since, until, step)) or [since], max(until, since + step.length)
    day = since.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    starts: list[datetime] = []
    while True:
        # By the clock on the wall: a day on which it changes is an hour longer or shorter.
        midnight = day.replace(tzinfo=zone).astimezone(UTC)
        if starts and midnight >= until:
            break
        if midnight != floor(midnight, Step.DAY):
            check_kept(midnight, Step.HOUR, now, family)
        starts.append(_told(midnight, family, now))
        day += _DAY
    return starts, _told(midnight, family, now)


def _told(midnight: datetime, family: Family, now: datetime) -> datetime:
    """The moment itself where counts can tell it, else the whole hour after it."""
    by_minute = finest(midnight, now, family.finest) is Step.MINUTE
    return ceil(midnight, Step.MINUTE if by_minute else Step.HOUR)


def _covering(
    starts: list[datetime], end: datetime, step: Step, family: Family, now: datetime
) -> list[Piece]:
    """The tables' parts that no bucket's start cuts through; neighbours of one table as one."""
    if all(start == floor(start, step) for start in starts):
        return [Piece(step, starts[0], end)]
    found: list[Piece] = []
    for since, until in zip(starts, [*starts[1:], end], strict=True):
        for piece in pieces(since, until, now, step, family.finest):
            if found and found[-1].step is piece.step and found[-1].until == piece.since:
                found[-1] = replace(found[-1], until=piece.until)
            else:
                found.append(piece)
    return found


def _top(points: Iterable[Counter[str]]) -> set[str]:
    sums: Counter[str] = Counter()
    for point in points:
        sums.update(point)
    return {value for value, _ in sums.most_common(TOP)}


def _folded(values: Counter[str], shown: set[str]) -> dict[str, int]:
    if values.keys() <= shown:
        return dict(values)
    folded: Counter[str] = Counter()
    for value, requests in values.items():
        folded[value if value in shown else OTHER] += requests
    return dict(folded)
