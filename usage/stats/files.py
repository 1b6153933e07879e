"""Calls as files: JSON, one call a line, or CSV for a spreadsheet; of any size."""

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import orjson

from keys.models import Application
from keys.spreadsheets import cell
from usage.events import dollars
from usage.models import Call
from usage.stats.filters import Filter
from usage.stats.raw import walk

FORMATS = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}
PAGE = 1000  # calls: what is in memory at a time

_Read = Callable[[Call, dict[str, str]], Any]
# Named and told as `GET /calls` does.
COLUMNS: dict[str, _Read] = {
    "request_id": lambda call, _: str(call.id),
    "at": lambda call, _: _iso(call.started_at),
    "source": lambda call, _: call.source,
    "application": lambda call, slugs: slugs.get(call.application, call.application),
    "app_key": lambda call, _: call.app_key or None,
    "app_key_version": lambda call, _: call.app_key_version or None,
    "provider": lambda call, _: call.provider,
    "provider_key": lambda call, _: call.provider_key or None,
    "provider_key_version": lambda call, _: call.provider_key_version or None,
    "method": lambda call, _: call.method,
    "endpoint": lambda call, _: call.endpoint,
    "caller": lambda call, _: call.caller,
    "address": lambda call, _: call.address,
    "user_agent": lambda call, _: call.user_agent,
    "outcome": lambda call, _: call.outcome,
    "status": lambda call, _: call.status,
    "code": lambda call, _: call.code,
    "message": lambda call, _: call.message,
    "latency_ms": lambda call, _: call.latency_ms,
    "first_byte_ms": lambda call, _: call.first_byte_ms,
    "bytes_in": lambda call, _: call.bytes_in,
    "bytes_out": lambda call, _: call.bytes_out,
    "tokens_in": lambda call, _: call.tokens_in,
    "tokens_out": lambda call, _: call.tokens_out,
    "cost_usd": lambda call, _: dollars(call.cost_nanos),
    "attempts": lambda call, _: call.attempts,
    "tried": lambda call, _: call.attempts_before,
}


def export(wanted: Filter, form: str) -> Iterator[bytes]:
    """The matching calls in one of FORMATS, newest first, a page at a time; never all in memory.

    Each page is a query of its own, so no transaction is held while the reader takes its time.
    """
    lines = _csv if form == "csv" else _jsonl
    if form == "csv":
        yield _line(COLUMNS)
    slugs: dict[str, str] = {}
    for page in walk(wanted, PAGE):
        unknown = {call.application for call in page} - slugs.keys()
        if unknown:
            found = Application.objects.filter(id__in=unknown).values_list("id", "slug")
            slugs |= dict.fromkeys(unknown, "") | dict(found)
        yield lines([[read(call, slugs) for read in COLUMNS.values()] for call in page])


def _jsonl(rows: list[list[Any]]) -> bytes:
    return b"".join(orjson.dumps(dict(zip(COLUMNS, row, strict=True))) + b"\n" for row in rows)


def _csv(rows: list[list[Any]]) -> bytes:
    out = StringIO()
    csv.writer(out).writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _line(cells: Any) -> bytes:
    out = StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return orjson.dumps(value).decode() if value else ""
    return cell(value) if isinstance(value, str) else value


def _iso(at: datetime) -> str:
    told = "milliseconds" if at.microsecond else "seconds"
    return at.astimezone(UTC).isoformat(timespec=told).replace("+00:00", "Z")
