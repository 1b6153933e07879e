"""REST for usage: sums over a range, and the same over time."""

from typing import Literal

from django.http import HttpRequest
from ninja import Query, Router

from keys.api.auth import READ
from keys.lifecycle import Invalid
from usage import stats
from usage.api.filters import UsageQuery, filter_of
from usage.api.schemas import PointOut, SeriesOut, TotalsOut
from usage.periods import Step

router = Router(tags=["usage"])
MOST_POINTS = 5000


class SeriesQuery(UsageQuery):
    step: Step = Step.HOUR
    by: Literal["outcome", "app_key", "provider_key", "provider", "endpoint", "status"] = "outcome"


@router.get("/totals", auth=READ, response=TotalsOut, operation_id="usage_totals")
def usage_totals(request: HttpRequest, query: Query[UsageQuery]) -> TotalsOut:
    """Requests, errors, latency and sizes of the range."""
    return TotalsOut.model_validate(stats.totals(filter_of(request, query)))


@router.get("/series", auth=READ, response=SeriesOut, operation_id="usage_series")
def usage_series(request: HttpRequest, query: Query[SeriesQuery]) -> SeriesOut:
    """The same per step, zeros included, split by one dimension."""
    chosen = filter_of(request, query)
    since, until = query.range()
    if (until - since) / query.step.length > MOST_POINTS:
        raise Invalid("step", f"More than {MOST_POINTS} points: take a coarser step.")
    try:
        points = stats.series(chosen, query.step, query.by)
    except stats.TooFine as error:
        raise Invalid("step", f"Take a coarser step: {error}.") from error
    return SeriesOut(points=[PointOut.model_validate(point) for point in points])
