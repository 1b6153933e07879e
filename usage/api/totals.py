"""REST for usage: sums over a range, and the same over time."""

from datetime import UTC
from typing import Literal
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from keys.api.auth import READ
from keys.lifecycle import Invalid
from usage import stats
from usage.api.filters import CountsQuery, Zone, answerable, counts_filter_of, slugs_of
from usage.api.schemas import PointOut, SeriesOut, TotalsOut
from usage.periods import Step

router = Router(tags=["usage"])
MOST_POINTS = 5000
By = Literal[
    "outcome",
    "application",
    "app_key",
    "provider_key",
    "provider",
    "endpoint",
    "status",
    "version",
    "caller",
]


class TotalsQuery(CountsQuery):
    compare: Literal["previous"] | None = Field(
        None, description="`previous`: the same of the time as long before it, too"
    )


class SeriesQuery(CountsQuery):
    step: Step = Step.HOUR
    by: By = "outcome"
    tz: Zone | None = Field(None, description="days begin at midnight there; default UTC")


@router.get("/totals", auth=READ, response=TotalsOut, operation_id="usage_totals")
def usage_totals(request: HttpRequest, query: Query[TotalsQuery]) -> TotalsOut:
    """Requests, errors, latency, sizes and costs of the range."""
    chosen = counts_filter_of(request, query)
    with answerable():
        found = stats.totals(chosen)
        told = TotalsOut.model_validate(found)
        told.not_kept = stats.not_kept(chosen)
        if query.compare:
            told.previous = TotalsOut.model_validate(stats.totals(stats.previous(chosen, found)))
    try:
        spent = stats.spend(chosen)
    except stats.Unanswerable:
        return told
    told.cost_estimate_usd = spent.estimate_usd
    told.requests_without_price = spent.unpriced
    return told


@router.get("/series", auth=READ, response=SeriesOut, operation_id="usage_series")
def usage_series(request: HttpRequest, query: Query[SeriesQuery]) -> SeriesOut:
    """The same per step, zeros included, split by one dimension.

    With `tz` days begin at midnight there: exactly where it is whole hours from UTC, or as long as
    minutes are kept; else at the next whole hour, which `at` tells. Hours and minutes are UTC's.
    """
    chosen = counts_filter_of(request, query)
    since, until = query.range()
    if (until - since) / query.step.length > MOST_POINTS:
        raise Invalid("step", f"More than {MOST_POINTS} points: take a coarser step.")
    zone = ZoneInfo(query.tz) if query.tz else UTC
    try:
        with answerable():
            points = stats.series(chosen, query.step, query.by, zone=zone)
    except stats.TooFine as error:
        raise Invalid("step", f"Take a coarser step: {error}.") from error
    told = [PointOut.model_validate(point) for point in points]
    if query.by == "application":
        slugs = slugs_of({value for point in told for value in point.by})
        for point in told:
            point.by = {slugs.get(value, value): n for value, n in point.by.items()}
    # A point's latencies are of all its calls, whatever they are split by; it has no estimate.
    lost = stats.not_kept(chosen)
    lost.pop("cost_estimate_usd", None)
    return SeriesOut(points=told, not_kept=lost)
