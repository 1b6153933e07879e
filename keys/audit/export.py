"""Audit events as files: JSON, one event a line, or CSV for a spreadsheet."""

import csv
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

from django.db.models import QuerySet

from keys.models import AuditEvent
from keys.spreadsheets import cell

FORMATS = {"jsonl": "application/jsonl", "csv": "text/csv"}
COLUMNS = (
    "id", "at", "actor", "action", "application", "target", "detail", "address", "digest"
)  # fmt: skip


def export(events: QuerySet[AuditEvent], form: str) -> Iterator[str]:
    """Lines of the events, oldest first, in one of FORMATS; never all in memory."""
    rows = (_row(event) for event in events.order_by("id").iterator(chunk_size=1000))
    return _csv(rows) if form == "csv" else (json.dumps(row) + "\n" for row in rows)


def _row(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "at": event.at.isoformat(),
        "actor": event.actor_name,
        "action": event.action,
        "application": event.application_id,
        "target": event.target,
        "detail": event.detail,
        "address": event.address,
        "digest": event.digest,
    }


def _csv(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    yield _line(COLUMNS)
    for row in rows:
        yield _line([_cell(row[name]) for name in COLUMNS])


def _line(cells: Any) -> str:
    out = StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _cell(value: Any) -> str:
    return cell(json.dumps(value) if isinstance(value, dict) else str(value))
