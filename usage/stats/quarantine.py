"""Quarantined lines as people may see them: why, whose, and what can be told of the call."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keys.tokens import looks_secret
from usage.models import Quarantine
from usage.quarantined import event_of
from usage.redaction import clip

PAGE = 50
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|=\([^)]*\)")
_TOLD = ("id", "provider", "method", "endpoint", "outcome")  # of an event, nothing that is free


@dataclass(frozen=True, slots=True)
class Line:
    id: int
    at: datetime
    writer: str
    place: str  # in the writer's spool: segment and offset
    reason: str
    call: dict[str, str]  # what could be read of it; empty: nothing
    application: str


@dataclass(frozen=True, slots=True)
class Lines:
    items: list[Line]
    next: int | None


def waiting() -> int:
    """Lines that nobody has seen to."""
    return Quarantine.objects.count()


def quarantined(before: int | None = None) -> Lines:
    """A page of them, the newest first, from an id on."""
    rows = Quarantine.objects.order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: PAGE + 1])
    more = len(found) > PAGE
    return Lines([_line(row) for row in found[:PAGE]], found[PAGE - 1].pk if more else None)


def quarantined_line(key: int) -> Line | None:
    row = Quarantine.objects.filter(pk=key).first()
    return _line(row) if row else None


def _line(row: Quarantine) -> Line:
    told = event_of(row.line) or {}
    return Line(
        id=row.pk,
        at=row.at,
        writer=row.writer,
        place=f"segment {row.segment}, byte {row.offset}",
        reason=_redacted(row.reason),
        call={name: _plain(told[name]) for name in _TOLD if told.get(name)},
        application=_plain(told.get("application", "")),
    )


def _redacted(reason: str) -> str:
    """A reason's first line, without what a database or a parser quotes of the values."""
    plain = _QUOTED.sub("…", clip(reason.partition("\n")[0]))
    return "unreadable" if looks_secret(plain) else plain


def _plain(value: Any) -> str:
    text = clip(str(value), limit=120)
    return "…" if looks_secret(text) and "-" not in text else text
