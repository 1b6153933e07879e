"""What the ledger lets go of: calls, fine counts and stranger counts past their time."""

import time
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from usage import partitions
from usage.bulk import delete_before
from usage.models import Call, StrangerCount, Trimmed
from usage.periods import kept_since
from usage.resting import parts
from usage.rollups import calls_kept_since, tables

CHUNK = 2000  # rows per transaction: ingest never waits long
BUDGET = 60.0  # seconds; the next run goes on
STRANGERS_KEPT = timedelta(days=90)


def trim(now: datetime | None = None) -> int:
    """Lets go of what is past its time; returns the rows deleted, of PostgreSQL's calls the days.

    Where rows are deleted, that is done in small transactions.
    """
    now = now or timezone.now()
    stop_at = time.monotonic() + BUDGET
    before = calls_kept_since(now)
    # First: what is half gone must not be counted anew, and what comes late finds no place.
    Trimmed.objects.update_or_create(pk=1, defaults={"calls_before": before})
    if partitions.in_use():
        partitions.make_ahead(now)
        gone = partitions.drop_before(before.date())
    else:
        gone = _delete_before(Call, "started_at", before, stop_at)
    for table in tables():
        start = kept_since(table.step, now)
        if start is not None:
            gone += _delete_before(table.model, "at", start, stop_at)
    return gone + _delete_before(StrangerCount, "at", now - STRANGERS_KEPT, stop_at)


def _delete_before(model: type[models.Model], name: str, before: datetime, stop_at: float) -> int:
    gone = 0
    if time.monotonic() < stop_at:
        for deleted in parts(lambda: delete_before(model, name, before, CHUNK)):
            gone += deleted
            if deleted < CHUNK or time.monotonic() >= stop_at:
                break
    return gone
