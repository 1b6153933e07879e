"""A range's totals together with the rows they are added up from: all that a panel shows.

Its tiles, its charts and its causes can't disagree, and its totals are those of `totals`. Beside
them are the totals of the time before, as long.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from usage.events import ERRORS, Outcome
from usage.periods import Step, widened
from usage.rollups import family_for
from usage.stats.counts import Adder, Totals, latency_of, passed
from usage.stats.filters import Filter
from usage.stats.reading import Period, check_kept, parts, tells_latency


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Totals, requests by (time, outcome, status), latency histograms by time, and the time of
    calls (microseconds) by when they began."""

    totals: Totals
    previous: Totals
    counts: list[tuple[datetime, str, int, int]]
    latencies: list[tuple[datetime, int, int]]
    busy: list[tuple[datetime, int]]

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


class _Sum:
    """One of the two times, while it is added up."""

    def __init__(self, since: datetime, until: datetime) -> None:
        self.since, self.until = since, until
        self.adder, self.buckets = Adder(), Counter[int]()

    def totals(self, now: datetime) -> Totals:
        return Totals(
            since=self.since,
            until=self.until,
            seconds=passed(self.since, self.until, now),
            latency_ms=latency_of(self.buckets),
            **self.adder.result(),
        )


def breakdown(f: Filter, step: Step | str, now: datetime | None = None) -> Breakdown:
    """The totals of the range and their rows: by `step`, its ragged ends by finer ones.

    Two queries. Raises TooFine when the counts of that step are not kept that long, Unanswerable
    for a filter that no table of counts can tell.
    """
    step, now = Step(step), now or timezone.now()
    family = family_for(f.names | {"outcome", "status"})
    since, until = widened(*f.range(now), now, family.finest)
    check_kept(since, step, now, family)
    before = f.between(since - (until - since), since)
    range_, then = _Sum(since, until), _Sum(*widened(*before.range(now), now, family.finest))
    period = Period(family, parts(f, family, now, step), parts(before, family, now), then.since)
    counts, histograms, busy = [], [], []
    for row in period.sums(f.ends, "outcome", "status"):
        at = row["moment"]
        (range_ if at >= since else then).adder.add(row)
        if at >= since:
            counts.append((at, row["outcome"], row["status"], row["requests"]))
            busy.append((at, row["latency_us"]))
    for row in period.latencies() if tells_latency(f.names, family) else []:
        at = row["moment"]
        buckets = (range_ if at >= since else then).buckets
        for bucket, requests in row["buckets"]:
            buckets[bucket] += requests
            if at >= since:
                histograms.append((at, bucket, requests))
    return Breakdown(range_.totals(now), then.totals(now), counts, histograms, busy)
