"""Who leads in something: exact, without reading what can't lead.

What is ranked by a sum has an upper bound that is cheap to read: the sum over the whole days that
hold the range. Values are taken by their bounds, the greatest first, and summed exactly until
nothing that is left can reach the last one told (the threshold algorithm). Rates and percentiles
have no such bound and are read in full.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.expressions import Combinable
from django.utils import timezone

from usage.events import ERRORS, UNCOUNTED
from usage.periods import Step, ceil, floor
from usage.rollups import Family, Unanswerable, family_for, quantile
from usage.stats.counts import Adder, Group, latency_of
from usage.stats.filters import Filter
from usage.stats.reading import column, latencies, parts, sums, tells_latency, together
from usage.stats.spend import spend_by

_SUMMED: dict[str, Combinable] = {
    "requests": F("requests"),
    "errors": F("requests"),
    "bytes": F("bytes_in") + F("bytes_out"),
    "tokens": F("tokens_in") + F("tokens_out"),
}
ORDERS = (*_SUMMED, "error_rate", "latency", "cost")
NAMED = ("app_key", "provider_key", "caller")  # of which an empty value is nobody
_ERRORS = Q(outcome__in=ERRORS)
_JUDGED = ~Q(outcome__in=UNCOUNTED)
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
    def wanted(self) -> Q:
        """Which rows count: of errors alone, and nothing of nobody."""
        chosen = Q(**self.f.ends)
        if self.order == "errors":
            chosen &= _ERRORS
        return chosen & ~Q(**{self.by: ""}) if self.by in NAMED else chosen


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
    lookups = question.f.dimensions | {
        "at__gte": floor(since, Step.DAY),
        "at__lt": ceil(until, Step.DAY),
    }
    bounds = _summed(question, Step.DAY, lookups).order_by("-score", question.by)
    details: dict[Any, Adder] = {}
    taken, size = 0, 2 * limit
    while True:
        chunk = list(bounds[taken : taken + size + 1])
        details |= _details(question, [row[question.by] for row in chunk[:size]])
        scores = {value: _score(question.order, adder) for value, adder in details.items()}
        best = _first({value: n for value, n in scores.items() if n}, limit, bottom=False)
        done = len(best) == limit and scores[best[-1]] >= chunk[-1]["score"]
        if done or len(chunk) <= size:
            return _told(question, best, details)
        taken, size = taken + size, 2 * size


def _score(order: str, adder: Adder) -> int:
    """The exact sum that is ranked by, of what was read in detail."""
    found = adder.result()
    if order in ("requests", "errors"):
        return int(found[order])
    return int(found[f"{order}_in"] + found[f"{order}_out"])


def _summed(question: _Question, step: Step, lookups: dict[str, Any]) -> QuerySet[Any, Any]:
    rows = question.family.counts[step]._default_manager.filter(question.wanted, **lookups)
    score = Sum(_SUMMED[question.order])
    found = rows.order_by().values(question.by)
    scored: QuerySet[Any, Any] = found.annotate(score=score).filter(score__gt=0)
    return scored


def _added(question: _Question) -> Scores:
    """The exact sums of all values; without those that are nothing."""
    told = parts(question.f, question.family, question.now)
    scores = Counter[Any]()
    for row in together([_summed(question, step, lookups) for step, lookups in told]):
        scores[row[question.by]] += row["score"]
    return dict(scores)


def _rates(question: _Question) -> Scores:
    told = parts(question.f, question.family, question.now)
    errors, judged = Counter[Any](), Counter[Any]()
    queries = [
        question.family.counts[step]
        ._default_manager.filter(question.wanted, _JUDGED, **lookups)
        .order_by()
        .values(question.by)
        .annotate(judged=Sum("requests"), errors=Sum("requests", filter=_ERRORS, default=0))
        for step, lookups in told
    ]
    for row in together(queries):
        judged[row[question.by]] += row["judged"]
        errors[row[question.by]] += row["errors"]
    return {value: errors[value] / judged[value] for value in judged}


def _percentiles(question: _Question) -> Scores:
    found = _histograms(question)
    return {value: quantile(buckets, 0.95) for value, buckets in found.items() if value != ""}


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
) -> dict[Any, Counter[int]]:
    """Raises Unanswerable where latencies are not told apart so finely."""
    names = question.f.names | {question.by}
    family = family_for(names)
    if not tells_latency(names, family):
        raise Unanswerable(f"latencies are not kept by {question.by} there")
    more = {} if among is None else {f"{question.by}__in": list(among)}
    found: defaultdict[Any, Counter[int]] = defaultdict(Counter)
    for row in latencies(family, parts(question.f, family, question.now), more, question.by):
        of_value = found[row[question.by]]
        for bucket, requests in row["buckets"]:
            of_value[bucket] += requests
    return found


def _first(scores: Scores, limit: int, bottom: bool) -> list[Any]:
    sign = 1 if bottom else -1
    return sorted(scores, key=lambda value: (sign * scores[value], str(value)))[:limit]


def _details(question: _Question, values: Collection[Any]) -> dict[Any, Adder]:
    """All sums of these values."""
    if not values:
        return {}
    among = {f"{question.by}__in": values}
    adders: defaultdict[Any, Adder] = defaultdict(Adder)
    told = parts(question.f, question.family, question.now)
    for row in sums(question.family, told, question.f.ends | among, "outcome", question.by):
        adders[row[question.by]].add(row)
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
            latency_ms=latency_of(histograms.get(value, {})),
            **details[value].result(),
        )
        for value in values
    ]


_SCORES: dict[str, Callable[[_Question], Scores]] = {
    "error_rate": _rates,
    "latency": _percentiles,
    "cost": _costs,
}
