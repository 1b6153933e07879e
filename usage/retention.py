"""What the ledger lets go of: calls, fine counts and stranger counts past their time."""

import time
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from usage.models import Call, StrangerCount, Trimmed
from usage.periods import kept_since
from usage.rollups import calls_kept_since, tables

CHUNK = 5000  # rows per transaction: ingest never waits long
BUDGET = 60.0  # seconds; the next run goes on
STRANGERS_KEPT = timedelta(days=90)


def trim(now: datetime | None = None) -> int:
    """Deletes in small transactions what is past its time; returns the rows deleted."""
    now = now or timezone.now()
    stop_at = time.monotonic() + BUDGET
    before = calls_kept_since(now)
    # First: what is half gone must not be counted anew.
    Trimmed.objects.update_or_create(pk=1, defaults={"calls_before": before})
    gone = _delete_before(Call, "started_at", before, stop_at)
    for step, model, _ in tables():
        start = kept_since(step, now)
        if start is not None:
            gone += _delete_before(model, "at", start, stop_at)
    return gone + _delete_before(StrangerCount, "at", now - STRANGERS_KEPT, stop_at)


def _delete_before(model: type[models.Model], name: str, before: datetime, stop_at: float) -> int:
    rows = model._default_manager
    gone = 0
    while time.monotonic() < stop_at:
        oldest = rows.filter(**{f"{name}__lt": before}).order_by(name).values("pk")[:CHUNK]
        deleted, _ = rows.filter(pk__in=oldest).delete()
        gone += deleted
        if deleted < CHUNK:
            break
    return gone
