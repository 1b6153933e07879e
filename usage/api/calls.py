"""REST for recorded calls: newest first, for drill-down."""

from dataclasses import fields, replace
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from keys import providers
from keys.api.auth import READ, still_works
from keys.api.errors import problem
from keys.api.fields import Printable
from keys.api.paging import Paging
from keys.lifecycle import Invalid
from keys.models import ApiToken, AppKey, Application, ProviderKey
from usage import stats
from usage.api.filters import Endpoint, UsageQuery, applications_of, filter_of
from usage.api.schemas import AttemptOut, CallExplained, CallOut, Calls, DecisionOut
from usage.classify import remedy
from usage.events import Outcome
from usage.exports import exported
from usage.models import Call
from usage.stats import Wanted
from usage.streaming import Full
from usage.tail import Ended, Place, Told, event, followed

router = Router(tags=["calls"])


def _files(*types: str) -> dict[str, Any]:
    """What the document says of an answer that is no JSON."""
    content = {name: {"schema": {"type": "string"}} for name in types}
    return {"responses": {200: {"description": "OK", "content": content}}}


EXPORTED = _files("application/jsonl", "text/csv")
# Of a query, what calls alone are filtered by.
OWN = {
    "outcome", "status", "endpoint", "app_key_version", "provider_key_version", "caller",
    "address", "request_id",
}  # fmt: skip


Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class CallsFilter(UsageQuery):
    """What calls are listed, exported and followed by."""

    outcome: Outcome | None = None
    status: Annotated[int, Field(ge=0, le=999)] | None = None
    endpoint: Endpoint | None = None
    app_key_version: Version | None = None
    provider_key_version: Version | None = None
    caller: Annotated[str, Field(max_length=100), Printable] | None = Field(
        None, description="the wrapper's label"
    )
    address: Annotated[str, Field(max_length=45), Printable] | None = Field(
        None, description="the caller's, as it is recorded"
    )
    request_id: UUID | None = None


class CallsQuery(CallsFilter, Paging):
    pass


class TailQuery(CallsFilter):
    after: Annotated[str, Field(max_length=40)] | None = Field(
        None, description="the id of the last event that was read; as the header Last-Event-ID"
    )


class ExportQuery(CallsFilter):
    format: Literal["csv", "jsonl"] = "jsonl"


@router.get("", auth=READ, response=Calls, operation_id="list_calls")
def list_calls(request: HttpRequest, query: Query[CallsQuery]) -> Calls:
    try:
        found = stats.calls(_wanted(request, query), query.cursor, query.limit)
    except stats.BadCursor as error:
        raise Invalid("cursor", "Not a cursor of this list.") from error
    slugs = _slugs({row.application for row in found.items})
    return Calls(items=[_out(row, slugs) for row in found.items], next=found.next)


@router.get("/export", auth=READ, operation_id="export_calls", openapi_extra=EXPORTED)
def export_calls(request: HttpRequest, query: Query[ExportQuery]) -> HttpResponse:
    """All that match, newest first, of any size, as they come.

    An export that could not be finished breaks off without the mark of its end, so that no
    client takes it for a whole one.
    """
    try:
        return exported(request, request.user.pk or 0, _wanted(request, query), query.format)
    except Full as error:
        return problem(429, "too_many_exports", str(error))


@router.get(
    "/tail", auth=READ, operation_id="tail_calls", openapi_extra=_files("text/event-stream")
)
def tail_calls(request: HttpRequest, query: Query[TailQuery]) -> HttpResponse:
    """Server-Sent Events: calls as they are stored, `event: call` with a call as JSON each.

    Every event has an id: given back as `Last-Event-ID` (or `after`), the stream goes on behind
    it, without a gap or a repeat, if that is not longer ago than ten minutes; else it says so by
    `event: missed`. `away` and `back` say that the database doesn't answer and does again, `end`
    that the token or the right to see these calls has ended.
    """
    asked = request.headers.get("Last-Event-ID") or query.after
    try:
        after = Place.parse(asked) if asked else None
    except ValueError as error:
        raise Invalid("after", "Not the id of an event of this stream.") from error
    wanted = _wanted(request, query)  # says what is wrong before the stream begins
    token = getattr(request, "auth", None)

    def still() -> Wanted:
        if not isinstance(token, ApiToken) or not still_works(token, request):
            raise Ended("The token has ended.")
        return replace(wanted, applications=_wanted(request, query).applications)

    try:
        return followed(request, request.user.pk or 0, still, _told, after)
    except Full as error:
        return problem(429, "too_many_tails", str(error))


def _told(calls: Told) -> bytes:
    slugs = _slugs({call.application for _, call in calls})
    return b"".join(
        event("call", _out(call, slugs).model_dump(mode="json"), place) for place, call in calls
    )


def _wanted(request: HttpRequest, query: CallsFilter) -> Wanted:
    found = filter_of(request, query)
    common = {field.name: getattr(found, field.name) for field in fields(found)}
    own = query.model_dump(exclude_none=True, include=OWN)
    return Wanted(**common | own)


@router.get("/{uuid:request_id}", auth=READ, response=CallExplained, operation_id="get_call")
def get_call(request: HttpRequest, request_id: UUID) -> CallExplained:
    """One call, by the X-Request-Id that its caller received, and why it ended as it did."""
    row = stats.call(request_id, applications_of(request, None))
    if row is None:
        raise Http404
    told = _out(row, _slugs({row.application})).model_dump()
    keys = {row.app_key, row.provider_key, *(a["provider_key"] for a in row.attempts_before)}
    names = _names(keys) | providers.names([row.provider])
    decisions = [DecisionOut.model_validate(made) for made in row.decisions(names)]
    return CallExplained(**told, decisions=decisions)


def _names(ids: set[str]) -> dict[str, str]:
    kinds = (AppKey.objects, ProviderKey.objects)
    rows = [keys.filter(id__in=ids - {""}).values_list("id", "name") for keys in kinds]
    return {id: name for found in rows for id, name in found}


def _slugs(ids: set[str]) -> dict[str, str]:
    return dict(Application.objects.filter(id__in=ids).values_list("id", "slug"))


def _out(row: Call, slugs: dict[str, str]) -> CallOut:
    return CallOut(
        request_id=str(row.id),
        at=row.started_at,
        source=row.source,
        application=slugs.get(row.application, row.application),
        app_key=row.app_key or None,
        app_key_version=row.app_key_version or None,
        provider=row.provider,
        provider_key=row.provider_key or None,
        provider_key_version=row.provider_key_version or None,
        method=row.method,
        endpoint=row.endpoint,
        caller=row.caller,
        address=row.address,
        user_agent=row.user_agent,
        outcome=row.outcome,
        status=row.status,
        code=row.code,
        message=row.message,
        remedy=remedy(Outcome(row.outcome), row.code),
        latency_ms=row.latency_ms,
        first_byte_ms=row.first_byte_ms,
        bytes_in=row.bytes_in,
        bytes_out=row.bytes_out,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        cost_usd=row.cost_usd,
        attempts=row.attempts,
        tried=[AttemptOut(**attempt) for attempt in row.attempts_before],
    )
