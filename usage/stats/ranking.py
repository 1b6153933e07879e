"""Who leads in something: exact, without reading what can't lead.

What is ranked by a sum has an upper bound that is cheap to read: the sum over the whole days that
hold the range. Values are taken by their bounds, the greatest first, and summed exactly until
nothing that is left can reach the last one told (the threshold algorithm). Rates and percentiles
have no such bound and are read in full.
"""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from usage.events import ERRORS, UNCOUNTED, Outcome
from usage.periods import Piece, Step, ceil, floor
from usage.rollups import Family, Unanswerable, family_for, quantiles, summed
from usage.stats.counts import Adder, Group, latency_of
from usage.stats.filters import Filter
from usage.stats.reading import (
    Lookups,
    Part,
    among,
    column,
    latencies,
    parts,
    scores,
    sums,
    tells_latency,
)
from usage.stats.spend import spend_by

_SUMMED = {
    "requests": "requests",
    "errors": "requests",
    "bytes": "bytes_in + bytes_out",
    "tokens": "tokens_in + tokens_out",
}
ORDERS = (*_SUMMED, "error_rate", "latency", "cost")
NAMED = ("app_key", "provider_key", "caller")  # of which an empty value is nobody
_JUDGED = frozenset(Outcome) - UNCOUNTED
_FAILED = "CASE WHEN outcome IN ('{}') THEN requests ELSE 0 END".format("', '".join(ERRORS))
Scores = dict[Any, float]


@dataclass(frozen=True, slots=True)
class _Question:
    f: Filter
    by: str
    order: str
    now: datetime

    @property
    def family(self) -> Family:
        return family_for(self.f.names | {"outcome", self.by})

    @property
    def wanted(self) -> Lookups:
        """Which rows count: of errors alone, and nothing of nobody."""
        chosen = self.f.ends
        if self.order == "errors":
            chosen["outcome__in"] = ERRORS
        return chosen | ({f"{self.by}__not": ""} if self.by in NAMED else {})

    @property
    def parts(self) -> list[Part]:
        return parts(self.f, self.family, self.now)


def top(
    f: Filter,
    by: str,
    order: str = "requests",
    *,
    limit: int = 50,
    bottom: bool = False,
    at_least: int = 1,
    now: datetime | None = None,
) -> list[Group]:
    """The values of a dimension that lead, or come last, of those with so many requests.

    `version` is that of the key in the filter. `latency` is the 95th percentile, `cost` what
    providers reported or else the estimate. Raises ValueError for what can't be asked, Unanswerable
    for what is not counted together.
    """
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(ORDERS)}")
    question = _Question(f, column(f, by), order, now or timezone.now())
    if order in _SUMMED and not bottom and at_least <= 1:
        return _leading(question, limit)
    scores = _SCORES.get(order, _added)(question)
    if at_least > 1:
        asked = _added(_Question(f, question.by, "requests", question.now))
        scores = {value: n for value, n in scores.items() if asked.get(value, 0) >= at_least}
    values = _first(scores, limit, bottom)
    return _told(question, values, _details(question, values))


def _leading(question: _Question, limit: int) -> list[Group]:
    """The values with the greatest sums, by the threshold algorithm."""
    since, until = question.f.range(question.now)
    days = among(question.f, [Piece(Step.DAY, floor(since, Step.DAY), ceil(until, Step.DAY))])
    details: dict[Any, Adder] = {}
    size, most = 2 * limit, 0
    while True:
        if size >= most:
            most = 4 * size
            bounds = _summed(question, days, most)
        chunk = [value for value, _ in bounds[:size] if value not in details]
        details |= {value: Adder() for value in chunk} | _details(question, chunk)
        exact = {value: _score(question.order, adder) for value, adder in details.items()}
        best = _first({value: n for value, n in exact.items() if n}, limit, bottom=False)
        full = len(best) == limit
        if size >= len(bounds) or (full and exact[best[-1]] >= bounds[size][1]):
            return _told(question, best, details)
        size *= 2


def _score(order: str, adder: Adder) -> int:
    """The exact sum that is ranked by, of what was read in detail."""
    found = adder.result()
    if order in ("requests", "errors"):
        return int(found[order])
    return int(found[f"{order}_in"] + found[f"{order}_out"])


def _summed(question: _Question, told: list[Part], most: int = 0) -> list[tuple[Any, int]]:
    """The values and their sums but those that are nothing; `most` of them, the greatest first."""
    score = _SUMMED[question.order]
    found = scores(question.family, told, question.wanted, question.by, score, most=most)
    return [(value, n) for value, n in found if n]


def _added(question: _Question) -> Scores:
    return dict(_summed(question, question.parts))


def _rates(question: _Question) -> Scores:
    judged = question.wanted | {"outcome__in": _JUDGED}
    found = scores(question.family, question.parts, judged, question.by, "requests", _FAILED)
    return {value: errors / requests for value, requests, errors in found}


def _percentiles(question: _Question) -> Scores:
    found = _histograms(question)
    shares = (0.95,)
    return {
        value: quantiles(summed(some), shares)[0] for value, some in found.items() if value != ""
    }


def _costs(question: _Question) -> Scores:
    found = spend_by(question.f, question.by, now=question.now)
    nobody = question.by in NAMED
    return {
        value: spent.likely
        for value, spent in found.items()
        if spent.likely and (value or not nobody)
    }


def _histograms(
    question: _Question, among: Collection[Any] | None = None
) -> dict[Any, list[bytes]]:
    """Packed. Raises Unanswerable where latencies are not told apart so finely."""
    names = question.f.names | {question.by}
    family = family_for(names)
    if not tells_latency(names, family):
        raise Unanswerable(f"latencies are not kept by {question.by} there")
    more = {} if among is None else {f"{question.by}__in": list(among)}
    found: defaultdict[Any, list[bytes]] = defaultdict(list)
    told = parts(question.f, family, question.now)
    for value, histogram in latencies(family, told, more, question.by):
        found[value].append(histogram)
    return found


def _first(scores: Scores, limit: int, bottom: bool) -> list[Any]:
    sign = 1 if bottom else -1
    return sorted(scores, key=lambda value: (sign * scores[value], str(value)))[:limit]


def _details(question: _Question, values: Collection[Any]) -> dict[Any, Adder]:
    """All sums of these values."""
    if not values:
        return {}
    these = question.f.ends | {f"{question.by}__in": list(values)}
    adders: defaultdict[Any, Adder] = defaultdict(Adder)
    read = sums(question.family, question.parts, these, "outcome", question.by)
    for outcome, value, *counted in read:
        adders[value].add(outcome, counted)
    return adders


def _told(question: _Question, values: list[Any], details: dict[Any, Adder]) -> list[Group]:
    """These values with their sums and latencies, in this order."""
    if not values:
        return []
    try:
        histograms = _histograms(question, values)
    except Unanswerable:
        histograms = {}
    return [
        Group(
            value=str(value),
            latency_ms=latency_of(histograms.get(value, [])),
            **details[value].result(),
        )
        for value in values
    ]


_SCORES: dict[str, Callable[[_Question], Scores]] = {
    "error_rate": _rates,
    "latency": _percentiles,
    "cost": _costs,
}
