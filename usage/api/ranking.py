"""REST for rankings: who leads in something, and what it costs."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import BaseModel, Field

from keys.api.auth import READ
from keys.api.fields import Input, Slug
from usage import stats
from usage.api.filters import (
    CountsQuery,
    answerable,
    applications_of,
    counts_filter_of,
    slugs_of,
)
from usage.api.schemas import GroupOut, Unkept
from usage.api.totals import By

router = Router(tags=["usage"])


class TopQuery(CountsQuery):
    by: By = "app_key"
    order: Literal["requests", "errors", "error_rate", "latency", "cost", "bytes", "tokens"] = (
        "requests"
    )
    direction: Literal["top", "bottom"] = "top"
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    at_least: Annotated[int, Field(ge=1, le=10**9)] = Field(
        1, description="requests; a rate of few calls says little"
    )


class TopOut(BaseModel):
    items: list[GroupOut]
    not_kept: Unkept


class QuietQuery(Input):
    kind: Literal["app_key", "provider_key"] = "app_key"
    application: Slug | None = Field(None, description="an application's slug")
    days: Annotated[int, Field(ge=1, le=3650)] = 30
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class QuietKey(BaseModel):
    id: str
    name: str
    application: str
    created_at: datetime
    last_used_at: datetime | None


class QuietOut(BaseModel):
    items: list[QuietKey]


@router.get("/top", auth=READ, response=TopOut, operation_id="usage_top")
def usage_top(request: HttpRequest, query: Query[TopQuery]) -> TopOut:
    """The values that lead, or that come last, of those that had calls in the range.

    `latency` is the 95th percentile, `cost` what providers reported or else the estimate. Calls
    without a key or a caller's label are nobody's and are left out where those are ranked.
    """
    chosen = counts_filter_of(request, query)
    with answerable():
        found = stats.top(
            chosen,
            query.by,
            query.order,
            limit=query.limit,
            bottom=query.direction == "bottom",
            at_least=query.at_least,
        )
    items = [GroupOut.model_validate(group) for group in found]
    if query.by == "application":
        slugs = slugs_of(item.value for item in items)
        for item in items:
            item.value = slugs.get(item.value, item.value)
    _add_estimates(chosen, stats.column(chosen, query.by), found, items)
    if query.by in ("app_key", "provider_key"):
        uses = stats.uses(query.by, [item.value for item in items])
        for item in items:
            if use := uses.get(item.value):
                item.first_day, item.last_day = use
    return TopOut(items=items, not_kept=stats.not_kept(chosen, stats.column(chosen, query.by)))


@router.get("/quiet", auth=READ, response=QuietOut, operation_id="usage_quiet")
def usage_quiet(request: HttpRequest, query: Query[QuietQuery]) -> QuietOut:
    """Active keys without a call for so many days, nor made since: those never used first."""
    applications = applications_of(request, query.application)
    found = stats.quiet(query.kind, applications, timedelta(days=query.days), query.limit)
    return QuietOut(
        items=[
            QuietKey(
                id=key.pk,
                name=key.name,
                application=key.application.slug,
                created_at=key.created_at,
                last_used_at=key.last_used_at,
            )
            for key in found
        ]
    )


def _add_estimates(
    chosen: stats.Filter, by: str, found: list[stats.Group], items: list[GroupOut]
) -> None:
    try:
        spends = stats.spend_by(chosen, by, [group.value for group in found])
    except stats.Unanswerable:
        return
    for group, item in zip(found, items, strict=True):
        if group.value in spends:
            item.cost_estimate_usd = spends[group.value].estimate_usd
