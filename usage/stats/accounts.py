"""The ledger: what every writer accepted, and what became of it.

    accepted = stored + duplicates + quarantined + lost + late + pending

Late calls were begun before the oldest day whose calls are kept: counted, but without a row.
Pending calls are begun and not yet stored, those still open included. What is not drained yet
is read from the spools themselves.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q, Sum
from django.utils import timezone

from usage import spool
from usage.models import Comparison, SpoolWriter
from usage.spool.reader import Position, read
from usage.spool.records import END, BrokenLine, Record, decode

RECENT = timedelta(hours=24)  # closed writers are listed that long
_SUMS = ("accepted", "stored", "duplicates", "quarantined", "broken", "lost", "late")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """One process's account."""

    id: str
    host: str
    started_at: datetime
    drained_at: datetime | None
    closed_at: datetime | None
    accepted: int
    stored: int
    duplicates: int
    quarantined: int
    broken: int
    lost: int
    late: int
    pending: int
    lag_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    accepted: int
    stored: int
    duplicates: int
    quarantined: int
    broken: int  # unreadable lines, whose call is told by its other line or lost
    lost: int
    late: int
    pending: int
    lag_seconds: float  # age of the oldest record that is not drained
    compared: Comparison | None  # of the latest day whose counts were compared with its calls
    writers: list[Writer]


@dataclass(frozen=True, slots=True)
class _Tail:
    """What a folder on disk tells beyond its writer's row."""

    folder: Path
    highest: int


def ledger(now: datetime | None = None) -> Ledger:
    """All writers added up; listed are those not closed and those closed lately."""
    now = now or timezone.now()
    # Spools before rows: what is drained in between is then known from the row.
    tails = {
        folder.name: _Tail(folder, _highest(folder))
        for folder in spool.folders(Path(settings.SPOOL_DIR))
    }
    old = Q(closed_at__lte=now - RECENT) & ~Q(pk__in=tails.keys())
    past = SpoolWriter.objects.filter(old).aggregate(**{name: Sum(name) for name in _SUMS})
    rows = {row.id: row for row in SpoolWriter.objects.exclude(old)}
    writers = [
        _account(rows.get(name) or _unknown(name), tails.get(name), now)
        for name in sorted(rows.keys() | tails.keys())
    ]
    sums = {
        name: (past[name] or 0) + sum(getattr(writer, name) for writer in writers) for name in _SUMS
    }
    return Ledger(
        **sums,
        pending=sum(writer.pending for writer in writers),
        lag_seconds=max((writer.lag_seconds for writer in writers), default=0.0),
        compared=Comparison.objects.order_by("-day").first(),
        writers=writers,
    )


def stored() -> int:
    """Grows with every call that is stored: unchanged, there is nothing new to show."""
    return SpoolWriter.objects.aggregate(sum=Sum("stored"))["sum"] or 0


def _unknown(name: str) -> SpoolWriter:
    """A writer whose spool was never drained."""
    return SpoolWriter(id=name, host=spool.host_of(name), started_at=spool.started_at_of(name))


def _account(row: SpoolWriter, tail: _Tail | None, now: datetime) -> Writer:
    accepted = max(row.accepted, tail.highest if tail else 0)
    return Writer(
        id=row.id,
        host=row.host,
        started_at=row.started_at,
        drained_at=row.drained_at,
        closed_at=row.closed_at,
        accepted=accepted,
        stored=row.stored,
        duplicates=row.duplicates,
        quarantined=row.quarantined,
        broken=row.broken,
        lost=row.lost,
        late=row.late,
        pending=accepted - row.stored - row.duplicates - row.quarantined - row.lost - row.late,
        lag_seconds=_lag(tail.folder, Position(row.segment, row.offset), now) if tail else 0.0,
    )


def _highest(folder: Path) -> int:
    record = spool.last_record(folder)
    return record.highest if record else 0


def _lag(folder: Path, drained: Position, now: datetime) -> float:
    """The age of the first whole record behind what is drained."""
    blocks, _ = read(folder, drained, 1)
    for line in [line for block in blocks for line in block.lines]:
        with suppress(BrokenLine):
            written_at = _written_at(decode(line))
            return max(0.0, now.timestamp() - written_at)
    return 0.0


def _written_at(record: Record) -> float:
    """Epoch seconds: a start is written when the call starts, an end when it ended."""
    milliseconds = record.event.get("started_at", 0)
    if record.kind == END:
        milliseconds += record.event.get("latency_ms", 0.0)
    return float(milliseconds) / 1000
