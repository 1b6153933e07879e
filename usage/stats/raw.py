"""Raw calls, newest first, page by page: no OFFSET, no COUNT."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from usage.models import Call
from usage.stats.filters import Filter
from usage.stats.wanted import matching

LIMIT = 1000
MERGED = 100  # applications whose calls are merged; of more, all calls are walked
LOOKED_AT = 500
PASSED_LOOKED_AT = 2000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class BadCursor(ValueError):
    """A cursor that no page gave out."""


@dataclass(frozen=True, slots=True)
class Page:
    items: list[Call]
    next: str | None  # cursor of the page behind this one


def calls(f: Filter, cursor: str | None = None, limit: int = 50) -> Page:
    """A page of matching calls. Without `since` it goes back as far as calls are kept.

    Raises BadCursor.
    """
    limit = max(1, min(limit, LIMIT))
    items = _page(f, _read(cursor) if cursor else None, limit + 1)
    more = len(items) > limit
    return Page(items[:limit], _cursor(items[limit - 1]) if more else None)


def walk(f: Filter, size: int) -> Iterator[list[Call]]:
    """All matching calls, newest first, `size` at a time: each page is a short query."""
    last: tuple[datetime, UUID] | None = None
    while page := _page(f, last, size):
        yield page
        if len(page) < size:
            return
        last = page[-1].started_at, page[-1].id


def _page(f: Filter, behind: tuple[datetime, UUID] | None, size: int) -> list[Call]:
    ids = f.applications or []
    if f.app_key or f.provider_key or not 1 < len(ids) <= MERGED:
        return list(_rows(f, behind, size))
    # No index has the calls of several applications in their order: each one's newest, merged.
    parts = [_rows(replace(f, applications=[id]), behind, size) for id in sorted(ids)]
    told = [part.query.sql_with_params() for part in parts]
    sql = " UNION ALL ".join(f"SELECT * FROM ({one}) AS part" for one, _ in told)  # noqa: S608 - Django's own
    params = [value for _, values in told for value in values]
    return list(Call.objects.raw(f"{sql} ORDER BY started_at DESC, id DESC LIMIT {size}", params))


def _rows(f: Filter, behind: tuple[datetime, UUID] | None, size: int) -> QuerySet[Call]:
    rows = Call.objects.filter(matching(f)).order_by("-started_at", "-id")
    if f.since:
        rows = rows.filter(started_at__gte=f.since)
    if f.until:
        rows = rows.filter(started_at__lt=f.until)
    if behind:
        at, last = behind
        rows = rows.filter(started_at__lte=at).filter(Q(started_at__lt=at) | Q(id__lt=last))
    return rows[:size]


def call(call_id: str | UUID, applications: list[str] | None) -> Call | None:
    """One call by its request id, if it belongs to one of these applications (None: any)."""
    try:
        key = call_id if isinstance(call_id, UUID) else UUID(call_id)
    except ValueError:
        return None
    return Call.objects.found(
        key, **({} if applications is None else {"application__in": applications})
    )


def latest_codes(f: Filter) -> dict[tuple[str, int], Counter[str]]:
    """How often each code of an (outcome, status) is among the latest calls.

    Counts don't keep codes; looking at a fixed number of calls keeps the cost of a page fixed.
    """
    rows = Call.objects.filter(**f.dimensions).order_by("-started_at", "-id")
    found: dict[tuple[str, int], Counter[str]] = {}
    for outcome, status, code in rows.values_list("outcome", "status", "code")[:LOOKED_AT]:
        found.setdefault((outcome, status), Counter())[code] += 1
    return found


@dataclass(frozen=True, slots=True)
class PassedOn:
    """Calls that went on with another key after this one was refused in one way."""

    outcome: str
    status: int
    code: str
    requests: int
    latest: Call


def passed_on(application: str, provider: str, key_id: str) -> list[PassedOn]:
    """How the latest calls of the application came past a provider key, the most usual first.

    They count where they ended; looking at a fixed number of calls keeps the cost of a page fixed.
    """
    rows = Call.objects.filter(application=application, provider=provider)
    found: dict[tuple[str, int, str], list[Call]] = {}
    for row in rows.order_by("-started_at", "-id").only("started_at", "tried")[:PASSED_LOOKED_AT]:
        for attempt in row.attempts_before if key_id in row.tried else ():
            if attempt["provider_key"] == key_id:
                how = (attempt["outcome"], attempt["status"], attempt["code"])
                found.setdefault(how, []).append(row)
    passed = [PassedOn(*how, len(calls), calls[0]) for how, calls in found.items()]
    return sorted(passed, key=lambda one: -one.requests)


def _cursor(row: Call) -> str:
    microseconds = (row.started_at - _EPOCH) // _MICROSECOND
    return urlsafe_b64encode(microseconds.to_bytes(8) + row.id.bytes).decode()


def _read(cursor: str) -> tuple[datetime, UUID]:
    try:
        data = urlsafe_b64decode(cursor)
        if len(data) != 24:
            raise BadCursor("no such cursor")
        return _EPOCH + int.from_bytes(data[:8]) * _MICROSECOND, UUID(bytes=data[8:])
    except (ValueError, OverflowError) as error:
        raise BadCursor("no such cursor") from error
