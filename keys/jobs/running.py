"""Claims a job's row by lease, runs the job, writes what came of it.

Messages only wake: one that comes twice finds the row taken or not due, one that is lost leaves
it due for the next. A run that lasts renews its lease; one that was killed leaves it to run out.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from config.logging import mask
from keys.jobs.holders import is_gone, new_holder
from keys.models import Job

LEASE = timedelta(seconds=15)
ERROR_LIMIT = 300  # characters
# A message that comes so much of the interval early is in time: beats and queues have a jitter.
EARLY = 0.5
Result = TypeVar("Result")


def register(schedule: Mapping[str, tuple[float, str]]) -> None:
    """The jobs that there are: name -> (seconds between runs, what it does). Others are dropped."""
    now = timezone.now()
    for name, (every, words) in schedule.items():
        told = {"every": every, "words": words[:200]}
        made = {**told, "next_at": now}
        Job.objects.update_or_create(pk=name, defaults=told, create_defaults=made)
    Job.objects.exclude(pk__in=schedule).delete()


def run(
    name: str,
    work: Callable[[], Result],
    now: datetime | None = None,
    *,
    side_by_side: bool = False,
) -> Result | None:
    """The job's work, once, if it is due and nobody else is at it; else None.

    `side_by_side`: its work is rows with leases of their own, so a run that still waits for
    somebody's answer is joined by the next one. Each tick has one run all the same.
    """
    now = now or timezone.now()
    row = _claim(name, now, side_by_side)
    if row is None:
        return None
    began = monotonic()
    with _Pulse(row):
        try:
            result = work()
        except Exception as error:  # looked at only: it goes on to whoever asked
            _settle(row, monotonic() - began, error)
            raise
    _settle(row, monotonic() - began, None)
    return result


def _claim(name: str, now: datetime, side_by_side: bool) -> Job | None:
    """The row with our lease on it, None where there is nothing to do."""
    row = Job.objects.filter(pk=name).first()
    if row is None or not _is_due(row, now):
        return None
    taken = row.lease_until is not None and row.lease_until > now
    if taken and not side_by_side and not is_gone(row.holder):
        return None
    same = Job.objects.filter(pk=name, holder=row.holder, next_at=row.next_at)
    row.holder, row.started_at = new_holder(), now
    fields: dict[str, Any] = {"holder": row.holder, "lease_until": now + LEASE, "started_at": now}
    if side_by_side:
        fields["next_at"] = now + timedelta(seconds=row.every)
    return row if same.update(**fields) else None


def _is_due(row: Job, now: datetime) -> bool:
    every = timedelta(seconds=row.every)
    # A time so far ahead was written by a clock that has been put right since.
    return row.next_at <= now + every * EARLY or row.next_at > now + every * 2


def _settle(row: Job, seconds: float, error: Exception | None) -> None:
    """What came of a run; whoever has the lease by now keeps it."""
    fields: dict[str, Any] = {"failed_in_a_row": 0}
    if error is not None:
        text = mask(f"{type(error).__name__}: {error}".replace("\0", ""))
        fields = {
            "failed_in_a_row": F("failed_in_a_row") + 1,
            "failures": F("failures") + 1,
            "error": " ".join(text.split())[:ERROR_LIMIT],
            "error_at": timezone.now(),
        }
    next_at = (row.started_at or timezone.now()) + timedelta(seconds=row.every)
    rows = Job.objects.filter(pk=row.pk)
    # A fault of the database is told by the next run: here it would hide the first one.
    with suppress(DatabaseError):
        rows.update(
            finished_at=timezone.now(), duration_ms=seconds * 1000, runs=F("runs") + 1, **fields
        )
        rows.filter(holder=row.holder).update(holder="", lease_until=None, next_at=next_at)


class _Pulse:
    """Renews the lease of a run that lasts; most are over before the first beat."""

    def __init__(self, row: Job) -> None:
        self._mine = Job.objects.filter(pk=row.pk, holder=row.holder)
        self._over = threading.Event()
        self._timer = threading.Timer(LEASE.total_seconds() / 3, self._beat)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._timer.cancel()

    def _beat(self) -> None:
        try:
            while not self._over.is_set():
                with suppress(DatabaseError):
                    self._mine.update(lease_until=timezone.now() + LEASE)
                self._over.wait(LEASE.total_seconds() / 3)
        finally:
            connection.close()  # this thread's own
