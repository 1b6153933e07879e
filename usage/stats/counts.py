"""Sums over a range, from counts alone: the cost does not grow with traffic."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import add
from typing import Any

from django.utils import timezone

from usage.classify import faults
from usage.events import ERRORS, UNCOUNTED, dollars
from usage.periods import widened
from usage.rollups import family_for, quantiles, summed
from usage.stats.filters import Filter
from usage.stats.reading import SUMS, both, column, parts, sums, tells_latency

_SECOND = timedelta(seconds=1)
_NOTHING = (0,) * len(SUMS)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; None where no call was answered or the filter can't tell."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    requests: int = 0
    errors: int = 0
    error_rate: float = 0.0  # errors / (requests - denied - aborted)
    by_outcome: dict[str, int] = field(default_factory=dict)
    latency_us: int = 0  # of all calls together
    bytes_in: int = 0
    bytes_out: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_nanos: int = 0
    latency_ms: Latency = Latency()

    @property
    def cost_usd(self) -> float | None:
        return dollars(self.cost_nanos)

    @property
    def judged(self) -> int:
        """The denominator of the error rate."""
        return self.requests - sum(self.by_outcome.get(outcome, 0) for outcome in UNCOUNTED)

    @property
    def by_fault(self) -> dict[str, int]:
        """Errors by whose they are: caller, key, provider, between."""
        return faults(self.by_outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed(Sums):
    """Sums over a time, of which so many seconds have passed."""

    seconds: float = 0.0

    @property
    def concurrency(self) -> float:
        """Calls under way at once, on average (Little's law). A call's whole time is told where it
        began, so a call much longer than the time is told too high there and too low after it."""
        return self.latency_us / 1e6 / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(Timed):
    """`since` and `until` are what was really summed: the range widened to counts that are kept."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Sums):
    """All calls that share one value of a dimension."""

    value: str


class Adder:
    """Adds SUMS of counts up, by how the calls ended."""

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self._sums: tuple[int, ...] = _NOTHING

    def add(self, outcome: str, sums: Sequence[int]) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + sums[0]
        self._sums = tuple(map(add, self._sums, sums))

    def result(self) -> dict[str, Any]:
        requests = self._sums[0]
        errors = sum([self.outcomes.get(outcome, 0) for outcome in ERRORS])
        judged = requests - sum([self.outcomes.get(outcome, 0) for outcome in UNCOUNTED])
        return {
            **dict(zip(SUMS, self._sums, strict=True)),
            "errors": errors,
            "error_rate": errors / judged if judged else 0.0,
            "by_outcome": {name: n for name, n in self.outcomes.items() if n},
        }


def totals(f: Filter, now: datetime | None = None) -> Totals:
    """Sums over the range, exact to the minute where minutes are still kept. One query.

    Raises Unanswerable for a filter that no table of counts can tell.
    """
    now = now or timezone.now()
    adder = Adder()
    family = family_for(f.names | {"outcome"})
    told = parts(f, family, now)
    timed = family if tells_latency(f.names, family) else None
    found, histograms = both(family, timed, told, f.ends, "outcome")
    for outcome, *counted in found:
        adder.add(outcome, counted)
    since, until = widened(*f.range(now), now, family.finest)
    return Totals(
        since=since,
        until=until,
        seconds=passed(since, until, now),
        latency_ms=latency_of(packed for _, packed in histograms),
        **adder.result(),
    )


def previous(f: Filter, found: Totals) -> Filter:
    """The same of the time before what was summed, as long."""
    return f.between(found.since - (found.until - found.since), found.since)


def groups(f: Filter, by: str, limit: int = 50, now: datetime | None = None) -> list[Group]:
    """The values of a dimension with most requests, busiest first, nobody's calls too.

    Raises ValueError.
    """
    by = column(f, by)
    adders: defaultdict[str, Adder] = defaultdict(Adder)
    family = family_for(f.names | {"outcome", by})
    told = parts(f, family, now or timezone.now())
    for outcome, value, *counted in sums(family, told, f.ends, "outcome", by):
        adders[str(value)].add(outcome, counted)
    found = [Group(value=value, **adder.result()) for value, adder in adders.items()]
    return sorted(found, key=lambda group: (-group.requests, group.value))[:limit]


def passed(since: datetime, until: datetime, now: datetime) -> float:
    """Seconds of a time that are over."""
    return max(0.0, (min(until, now) - since) / _SECOND)


def latency_of(histograms: Iterable[bytes]) -> Latency:
    """Of packed histograms together."""
    calls = summed(histograms)
    if not any(calls):
        return Latency()
    return Latency(*[round(value, 1) for value in quantiles(calls, (0.5, 0.95, 0.99))])
