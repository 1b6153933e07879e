"""Counts of a chosen scope bar by bar: everything a panel shows, in two queries.

`usage.stats` answers for any range; a panel's range is made of whole minutes or hours, so that
its tiles, its charts and its causes come from the very same rows and can't disagree.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Sum

from usage.events import ERRORS, UNCOUNTED, Outcome
from usage.models import Call, SpoolWriter
from usage.models.rollups import Latency, Rollup
from usage.periods import Step
from usage.rollups import COUNTS, LATENCIES, quantile
from usage.stats import Filter

LOOKED_AT = 500


@dataclass(slots=True)
class Breakdown:
    """Requests by (time, outcome, status), and latency histograms by time."""

    counts: list[tuple[datetime, str, int, int]]
    latencies: list[tuple[datetime, int, int]]
    by_outcome: Counter[str] = field(default_factory=Counter)
    by_cause: Counter[tuple[str, int]] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for _, outcome, status, requests in self.counts:
            self.by_outcome[outcome] += requests
            self.by_cause[outcome, status] += requests
        for _, bucket, requests in self.latencies:
            self.buckets[bucket] += requests

    @property
    def requests(self) -> int:
        return self.by_outcome.total()

    @property
    def errors(self) -> int:
        return sum(self.by_outcome[outcome] for outcome in ERRORS)

    @property
    def judged(self) -> int:
        """The denominator of the error rate."""
        return self.requests - sum(self.by_outcome[outcome] for outcome in UNCOUNTED)

    @property
    def error_rate(self) -> float:
        return self.errors / self.judged if self.judged else 0.0

    def quantile(self, q: float) -> float | None:
        return quantile(self.buckets, q) if self.buckets else None

    def failures(self) -> list[tuple[Outcome, int, int]]:
        """(outcome, HTTP status, requests) of errors and denials, most frequent first."""
        return [
            (Outcome(outcome), status, requests)
            for (outcome, status), requests in self.by_cause.most_common()
            if outcome in ERRORS or outcome == Outcome.DENIED
        ]


def breakdown(chosen: Filter, step: Step) -> Breakdown:
    counts = (
        _rows(COUNTS[step], chosen)
        .values_list("at", "outcome", "status")
        .annotate(sum=Sum("requests"))
        .order_by("at")
    )
    latencies = (
        _rows(LATENCIES[step], chosen)
        .values_list("at", "bucket")
        .annotate(sum=Sum("requests"))
        .order_by("at")
    )
    return Breakdown(list(counts), list(latencies))


def _rows(model: type[Rollup] | type[Latency], chosen: Filter) -> QuerySet[Any]:
    since, until = chosen.range()
    return model._default_manager.filter(**chosen.dimensions, at__gte=since, at__lt=until)


def latest_codes(chosen: Filter) -> dict[tuple[str, int], str]:
    """The code of the newest call of each (outcome, status) among the latest calls.

    Counts don't keep codes; looking at a fixed number of calls keeps the cost of a page fixed.
    """
    rows = Call.objects.filter(**chosen.dimensions).order_by("-started_at", "-id")
    found: dict[tuple[str, int], str] = {}
    for outcome, status, code in rows.values_list("outcome", "status", "code")[:LOOKED_AT]:
        found.setdefault((outcome, status), code)
    return found


def stored() -> int:
    """Grows with every call that is stored: unchanged, there is nothing new to show."""
    return SpoolWriter.objects.aggregate(sum=Sum("stored"))["sum"] or 0
