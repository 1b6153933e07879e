"""A range's totals together with the rows they are added up from: all that a panel shows.

Its tiles, its charts and its causes can't disagree, and its totals are those of `totals`. Beside
them are the totals of the time before, as long.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from usage.events import ERRORS, Outcome
from usage.periods import Step, widened
from usage.rollups import family_for, unpacked
from usage.stats.counts import Adder, Totals, latency_of, passed
from usage.stats.filters import Filter
from usage.stats.reading import both, check_kept, parts, tells_latency


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
        self.adder = Adder()
        self.packed: list[bytes] = []

    def totals(self, now: datetime) -> Totals:
        return Totals(
            since=self.since,
            until=self.until,
            seconds=passed(self.since, self.until, now),
            latency_ms=latency_of(self.packed),
            **self.adder.result(),
        )


def breakdown(f: Filter, step: Step | str, now: datetime | None = None) -> Breakdown:
    """The totals of the range and their rows: by `step`, its ragged ends by finer ones.

    One query. Raises TooFine when the counts of that step are not kept that long, Unanswerable
    for a filter that no table of counts can tell.
    """
    step, now = Step(step), now or timezone.now()
    family = family_for(f.names | {"outcome", "status"})
    since, until = widened(*f.range(now), now, family.finest)
    check_kept(since, step, now, family)
    before = f.between(since - (until - since), since)
    range_, then = _Sum(since, until), _Sum(*widened(*before.range(now), now, family.finest))
    told = parts(f, family, now, step)
    # The time before is told in sum: as if all of it were at its beginning.
    told += [part._replace(moment=then.since) for part in parts(before, family, now)]
    counts, histograms, busy = [], [], []
    timed = family if tells_latency(f.names, family) else None
    found, spread = both(family, timed, told, f.ends, "at", "outcome", "status")
    for seconds, outcome, status, *counted in found:
        at = datetime.fromtimestamp(seconds, UTC)
        (range_ if at >= since else then).adder.add(outcome, counted)
        if at >= since:
            counts.append((at, outcome, status, counted[0]))
            busy.append((at, counted[1]))
    for seconds, histogram in spread:
        at = datetime.fromtimestamp(seconds, UTC)
        (range_ if at >= since else then).packed.append(histogram)
        if at >= since:
            histograms += [(at, bucket, requests) for bucket, requests in unpacked(histogram)]
    return Breakdown(range_.totals(now), then.totals(now), counts, histograms, busy)
