"""How each job stands, what is late first."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from keys.models import Job

LATE_AFTER = 3  # intervals without a run
LATE_LEAST = timedelta(seconds=30)  # and so long at least: a start takes its time


@dataclass(frozen=True, slots=True)
class Standing:
    """One job as people are told of it."""

    name: str
    words: str
    every: float  # seconds
    last_at: datetime | None
    duration_ms: float | None
    next_at: datetime
    runs: int
    failures: int
    failed_in_a_row: int
    error: str
    error_at: datetime | None
    is_running: bool
    late_seconds: float  # since it was due; 0: in time


def standings(now: datetime | None = None) -> list[Standing]:
    """All jobs: the late ones first, then those that fail, then by name."""
    now = now or timezone.now()
    found = [_standing(row, now) for row in Job.objects.all()]
    return sorted(found, key=lambda one: (-one.late_seconds, -one.failed_in_a_row, one.name))


def late(now: datetime | None = None) -> list[Standing]:
    """Those that are late, the latest first."""
    return [one for one in standings(now) if one.late_seconds]


def _standing(row: Job, now: datetime) -> Standing:
    running = row.lease_until is not None and row.lease_until > now
    patience = max(timedelta(seconds=row.every * LATE_AFTER), LATE_LEAST)
    behind = (now - row.next_at).total_seconds()
    is_late = not running and now > row.next_at + patience
    return Standing(
        name=row.name,
        words=row.words or row.name.rpartition(".")[2].replace("_", " ").capitalize(),
        every=row.every,
        last_at=row.finished_at,
        duration_ms=row.duration_ms,
        next_at=row.next_at,
        runs=row.runs,
        failures=row.failures,
        failed_in_a_row=row.failed_in_a_row,
        error=row.error,
        error_at=row.error_at,
        is_running=running,
        late_seconds=round(behind, 1) if is_late else 0.0,
    )
