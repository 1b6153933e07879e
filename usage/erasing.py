"""Erases what is recorded of applications that were deleted, in small transactions.

The deletion leaves a row in its own transaction (`begin`), the work is taken by a lease and goes
on after any crash, and ingest asks `erased` before it stores anything: what comes home late from a
spool brings nothing back.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial

from django.apps import apps
from django.db import models
from django.db.models import F

from keys import leases
from usage.models import Call, Erasure, Quarantine
from usage.quarantined import is_of
from usage.resting import parts

CHUNK = 2000  # rows of one transaction, about: ingest never waits long
LINES = 500  # quarantined ones in memory at once: each is up to 10 kB
LEASE = timedelta(seconds=60)
# Whoever looked before the deletion was there to be seen has stored what it had by then.
SETTLED = timedelta(seconds=60)


def begin(application: str, name: str, now: datetime) -> None:
    """Within the transaction that deletes the application."""
    Erasure.objects.get_or_create(pk=application, defaults={"name": name, "begun_at": now})


def erased(applications: Iterable[str]) -> set[str]:
    """Those of them that were deleted."""
    return set(Erasure.objects.filter(pk__in=set(applications)).values_list("pk", flat=True))


def go_on(now: datetime, seconds: float = 5.0) -> int:
    """Erases for about so long what is open and nobody else is at; returns the rows erased."""
    stop_at, gone = time.monotonic() + seconds, 0
    for row in Erasure.objects.filter(leases.free(now), finished_at=None).order_by("begun_at"):
        if _take(row, now):
            gone += _erase(row, now, stop_at)
        if time.monotonic() >= stop_at:
            break
    return gone


def _take(row: Erasure, now: datetime) -> bool:
    mine = Erasure.objects.filter(pk=row.pk, lease_until=row.lease_until, finished_at=None)
    return mine.update(lease_until=now + LEASE) == 1


def _erase(row: Erasure, now: datetime, stop_at: float) -> int:
    mine, gone = Erasure.objects.filter(pk=row.pk), 0
    for model, column in _tables():
        kind = "calls" if model is Call else "counts"
        for deleted in parts(partial(_chunk, model, column, row.pk)):
            gone += deleted
            mine.update(**{kind: F(kind) + deleted})
            if time.monotonic() >= stop_at:
                mine.update(lease_until=None)
                return gone
    _erase_lines(row.pk)
    over = now >= row.begun_at + SETTLED
    mine.update(lease_until=None, finished_at=now if over else None)
    return gone


def _erase_lines(application: str) -> None:
    """Quarantined lines are read one by one: an id can be spelled in many ways in a text."""
    rows, last = Quarantine.objects.order_by("pk").values_list("pk", "line"), 0
    while page := list(rows.filter(pk__gt=last)[:LINES]):
        mine = [key for key, line in page if is_of(line, application)]
        Quarantine.objects.filter(pk__in=mine).delete()
        last = page[-1][0]


def _tables() -> Iterator[tuple[type[models.Model], str]]:
    """Every table that names applications by id, and its column of time.

    Rows that refer to an application go with it.
    """
    for model in apps.get_app_config("usage").get_models():
        own = [field for field in model._meta.concrete_fields if not field.is_relation]
        times = [field.name for field in own if isinstance(field, models.DateTimeField)]
        if times and any(field.name == "application" for field in own) and model is not Erasure:
            yield model, times[0]


def _chunk(model: type[models.Model], column: str, application: str) -> int:
    """Deletes the oldest rows, by time: so PostgreSQL looks into the days that hold them alone."""
    rows = model._default_manager.filter(application=application)
    oldest = rows.order_by(column).values_list(column, flat=True)
    bound = oldest[CHUNK - 1 : CHUNK].first() or oldest.last()
    if bound is None:
        return 0
    return rows.filter(**{f"{column}__lte": bound}).delete()[0]
