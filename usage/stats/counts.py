"""Totals, series and rankings, from counts alone: the cost does not grow with traffic."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from usage.events import ERRORS, UNCOUNTED, dollars
from usage.models import KeyMinute
from usage.periods import Step, ceil, finest, floor, pieces, ticks, widened
from usage.rollups import Family, family_for, quantile
from usage.stats.filters import Filter

BREAKDOWNS = (
    "outcome",
    "app_key",
    "app_key_version",
    "provider_key",
    "provider_key_version",
    "provider",
    "endpoint",
    "status",
    "caller",
    "application",
)
SUMS = KeyMinute.SUMS
OTHER = "other"
TOP = 12  # groups of a series that are told apart


class TooFine(ValueError):
    """A series asked in steps that are no longer kept that far back."""


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

    @property
    def cost_usd(self) -> float | None:
        return dollars(self.cost_nanos)

    @property
    def judged(self) -> int:
        """The denominator of the error rate."""
        return self.requests - sum(self.by_outcome.get(outcome, 0) for outcome in UNCOUNTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(Sums):
    """`since` and `until` are what was really summed: the range widened to counts that are kept."""

    since: datetime
    until: datetime
    latency_ms: Latency = Latency()


@dataclass(frozen=True, slots=True, kw_only=True)
class Point(Sums):
    """One bucket of a series. `by`: requests per value of what the series is broken down by."""

    at: datetime
    by: dict[str, int] = field(default_factory=dict)
    latency_ms: Latency = Latency()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Sums):
    """All calls that share one value of a dimension."""

    value: str


class Adder:
    """Adds rows of counts up."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.sums: Counter[str] = Counter()

    def add(self, row: dict[str, Any]) -> None:
        self.outcomes[row["outcome"]] += row["requests"]
        for name in SUMS[1:]:
            self.sums[name] += row[name]

    def result(self) -> dict[str, Any]:
        requests = sum(self.outcomes.values())
        errors = sum(self.outcomes[outcome] for outcome in ERRORS)
        judged = requests - sum(self.outcomes[outcome] for outcome in UNCOUNTED)
        return {
            "requests": requests,
            "errors": errors,
            "error_rate": errors / judged if judged else 0.0,
            "by_outcome": {name: n for name, n in self.outcomes.items() if n},
            **{name: self.sums[name] for name in SUMS[1:]},
        }


def totals(f: Filter, now: datetime | None = None) -> Totals:
    """Sums over the range, exact to the minute where minutes are still kept.

    Raises ValueError for a filter that no table of counts can tell.
    """
    now = now or timezone.now()
    adder, buckets = Adder(), Counter[int]()
    family = family_for(f.names | {"outcome"})
    for step, lookups in parts(f, family, now):
        for row in sums(family, step, lookups | f.ends, "outcome"):
            adder.add(row)
        for row in latencies(family, step, lookups) if tells_latency(f, family) else []:
            buckets[row["bucket"]] += row["requests"]
    since, until = widened(*f.range(now), now, family.finest)
    return Totals(since=since, until=until, latency_ms=latency_of(buckets), **adder.result())


def groups(f: Filter, by: str, limit: int = 50, now: datetime | None = None) -> list[Group]:
    """The values of a dimension with most requests, busiest first. Raises ValueError."""
    _check(by)
    adders: defaultdict[str, Adder] = defaultdict(Adder)
    family = family_for(f.names | {"outcome", by})
    for step, lookups in parts(f, family, now or timezone.now()):
        for row in sums(family, step, lookups | f.ends, "outcome", by):
            adders[str(row[by])].add(row)
    found = [Group(value=value, **adder.result()) for value, adder in adders.items()]
    return sorted(found, key=lambda group: (-group.requests, group.value))[:limit]


def series(
    f: Filter, step: Step | str, by: str = "outcome", now: datetime | None = None
) -> list[Point]:
    """One point per step, zeros included; the range is widened to whole steps.

    Raises TooFine when the counts of that step are not kept that long, ValueError for a step or
    a breakdown that does not exist, or that no table of counts tells together with the filter.
    """
    _check(by)
    step, now = Step(step), now or timezone.now()
    family = family_for(f.names | {"outcome", by})
    since, until = f.range(now)
    since, until = floor(since, step), ceil(until, step)
    check_kept(since, step, now, family)
    lookups = f.dimensions | {"at__gte": since, "at__lt": until}
    adders: defaultdict[datetime, Adder] = defaultdict(Adder)
    values: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    for row in sums(family, step, lookups | f.ends, "at", "outcome", by):
        adders[row["at"]].add(row)
        values[row["at"]][str(row[by])] += row["requests"]
    buckets: defaultdict[datetime, Counter[int]] = defaultdict(Counter)
    # The histograms of the fewest rows that know the filter: they need not tell `by` apart.
    told = family_for(f.names)
    for row in latencies(told, step, lookups, "at") if tells_latency(f, told) else []:
        buckets[row["at"]][row["bucket"]] = row["requests"]
    shown = _top(values.values())
    return [
        Point(
            at=at,
            by=_folded(values[at], shown),
            latency_ms=latency_of(buckets[at]),
            **adders[at].result(),
        )
        for at in ticks(since, until, step)
    ]


def _check(by: str) -> None:
    if by not in BREAKDOWNS:
        raise ValueError(f"by must be one of {', '.join(BREAKDOWNS)}")


def check_kept(since: datetime, step: Step, now: datetime, family: Family) -> None:
    """Raises TooFine."""
    kept = finest(since, now, family.finest)
    if kept.length > step.length:
        raise TooFine(f"so far back it is kept by the {kept} only")


def parts(
    f: Filter, family: Family, now: datetime, coarsest: Step = Step.DAY
) -> list[tuple[Step, dict[str, Any]]]:
    """Which table answers for which part of the range, and the lookups of its rows."""
    return [
        (piece.step, f.dimensions | {"at__gte": piece.since, "at__lt": piece.until})
        for piece in pieces(*f.range(now), now, coarsest, family.finest)
    ]


def sums(family: Family, step: Step, lookups: dict[str, Any], *by: str) -> Iterable[dict[str, Any]]:
    rows = family.counts[step]._default_manager.filter(**lookups).order_by()
    sums = {name: Sum(name) for name in SUMS}
    found: Iterable[dict[str, Any]] = rows.values(*dict.fromkeys(by)).annotate(**sums)
    return found


def tells_latency(f: Filter, family: Family) -> bool:
    """Whether the family's histograms know everything that is filtered by."""
    return f.names.issubset(family.latency_dimensions)


def latencies(
    family: Family, step: Step, lookups: dict[str, Any], *by: str
) -> Iterable[dict[str, Any]]:
    rows = family.latencies[step]._default_manager.filter(**lookups).order_by()
    found: Iterable[dict[str, Any]] = rows.values(*by, "bucket").annotate(requests=Sum("requests"))
    return found


def latency_of(buckets: dict[int, int]) -> Latency:
    if not buckets:
        return Latency()
    return Latency(*(round(quantile(buckets, q), 1) for q in (0.5, 0.95, 0.99)))


def _top(points: Iterable[Counter[str]]) -> set[str]:
    sums: Counter[str] = Counter()
    for point in points:
        sums.update(point)
    return {value for value, _ in sums.most_common(TOP)}


def _folded(values: Counter[str], shown: set[str]) -> dict[str, int]:
    folded: Counter[str] = Counter()
    for value, requests in values.items():
        folded[value if value in shown else OTHER] += requests
    return dict(folded)
