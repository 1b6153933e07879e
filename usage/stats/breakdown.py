"""A range's totals together with the rows they are added up from: all that a panel shows.

Its tiles, its charts and its causes can't disagree, and its totals are those of `totals`.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from usage.events import ERRORS, Outcome
from usage.periods import Step, widened
from usage.rollups import family_for
from usage.stats.counts import (
    Adder,
    Totals,
    check_kept,
    latencies,
    latency_of,
    parts,
    sums,
    tells_latency,
)
from usage.stats.filters import Filter


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Totals, requests by (time, outcome, status), and latency histograms by time."""

    totals: Totals
    counts: list[tuple[datetime, str, int, int]]
    latencies: list[tuple[datetime, int, int]]

    def failures(self) -> list[tuple[Outcome, int, int]]:
        """(outcome, HTTP status, requests) of errors and denials, most frequent first."""
        causes: Counter[tuple[str, int]] = Counter()
        for _, outcome, status, requests in self.counts:
            if outcome in ERRORS or outcome == Outcome.DENIED:
                causes[outcome, status] += requests
        return [
            (Outcome(outcome), status, requests)
            for (outcome, status), requests in causes.most_common()
        ]


def breakdown(f: Filter, step: Step | str, now: datetime | None = None) -> Breakdown:
    """The totals of the range and their rows: by `step`, its ragged ends by finer ones.

    Raises TooFine when the counts of that step are not kept that long, ValueError for a filter
    that no table of counts can tell.
    """
    step, now = Step(step), now or timezone.now()
    family = family_for(f.names | {"outcome", "status"})
    since, until = widened(*f.range(now), now, family.finest)
    check_kept(since, step, now, family)
    adder, buckets = Adder(), Counter[int]()
    counts, histograms = [], []
    for part, lookups in parts(f, family, now, step):
        for row in sums(family, part, lookups | f.ends, "at", "outcome", "status"):
            adder.add(row)
            counts.append((row["at"], row["outcome"], row["status"], row["requests"]))
        for row in latencies(family, part, lookups, "at") if tells_latency(f, family) else []:
            buckets[row["bucket"]] += row["requests"]
            histograms.append((row["at"], row["bucket"], row["requests"]))
    found = Totals(since=since, until=until, latency_ms=latency_of(buckets), **adder.result())
    return Breakdown(found, counts, histograms)
