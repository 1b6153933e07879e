"""One batch of a spool into the database, in one transaction (DESIGN decisions 4 and 5)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, transaction

from usage import erasing, partitions, rollups
from usage.bulk import insert_new
from usage.events import CallEvent
from usage.ingest import arrivals, evidence
from usage.ingest.endpoints import bounded
from usage.ingest.rows import COLUMNS, checked, counted, row_of
from usage.models import Call, Quarantine, SpoolWriter, Trimmed
from usage.spool import Position, host_of, started_at_of

LINE_LIMIT = 10_000  # characters of a quarantined line that are kept
FUTURE = timedelta(days=2)  # a clock may be that wrong; beyond it, days would be made without end


class Moved(Exception):
    """Another drainer was here: the writer's row is not at the batch's start."""


@dataclass(frozen=True, slots=True)
class Told:
    """A call as its line tells it: the spooled event and where the line stood."""

    event: dict[str, Any]
    at: Position


@dataclass(frozen=True, slots=True)
class Ready:
    """A call fit to be stored."""

    event: CallEvent
    row: list[Any]
    ended: Told


@dataclass(frozen=True, slots=True)
class Poison:
    """What could not be stored. `call`: it is one numbered call, not an unreadable line."""

    at: Position
    reason: str
    line: bytes
    call: bool


@dataclass(slots=True)
class Batch:
    writer: str
    start: Position
    end: Position
    ended: list[Told] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    highest: int = 0  # highest call number in it, 0: none
    opened: dict[int, Told] = field(default_factory=dict)  # and not ended in it
    shut: set[int] = field(default_factory=set)  # opened before it, ended in it
    left_open: int = 0  # calls open behind it
    last: bool = False  # the writer is dead and this is its end


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain did."""

    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    broken: int = 0
    late: int = 0  # counted, without a row
    busy: bool = False  # another drainer has the folder
    closed: bool = False

    def __add__(self, other: "Drained") -> "Drained":
        return Drained(
            self.stored + other.stored,
            self.duplicates + other.duplicates,
            self.quarantined + other.quarantined,
            self.broken + other.broken,
            self.late + other.late,
            self.busy or other.busy,
            self.closed or other.closed,
        )


def position_of(writer: str) -> tuple[Position, bool]:
    """How far a writer was drained, and whether it was closed."""
    row = SpoolWriter.objects.filter(pk=writer).first()
    if row is None:
        return Position(0, 0), False
    return Position(row.segment, row.offset), row.closed_at is not None


def store(batch: Batch, now: datetime) -> Drained:
    """Stores a batch and moves the writer's account with it. Raises Moved and database errors."""
    ready, poison = _prepare(batch, now)
    try:
        return _store_in_days(batch, ready, poison, now)
    except (DataError, IntegrityError):
        # The checks let something through that this database refuses: find it, keep the rest.
        good, bad = _sift(ready)
        if not bad:
            raise
        return _store(batch, good, poison + bad, now)


def _store_in_days(
    batch: Batch, ready: list[Ready], poison: list[Poison], now: datetime
) -> Drained:
    _make_days(ready)
    try:
        return _store(batch, ready, poison, now)
    except IntegrityError as error:
        if not partitions.is_missing(error):
            raise
        # Dropped since this process met it: made again, or what is of that day is late now.
        partitions.forget()
        _make_days(ready)
        return _store(batch, ready, poison, now)


def _store(batch: Batch, ready: list[Ready], poison: list[Poison], now: datetime) -> Drained:
    with transaction.atomic():
        row = _claim(batch)
        ready, gone = _without_erased(ready)
        kept, late = _split(ready)
        new = _insert(kept)
        told = new + [one.event for one in late]
        rollups.increment(rollups.Tally(counted(event) for event in told))
        evidence.hand_over(told)
        _quarantine(batch.writer, poison)
        calls = sum(item.call for item in poison)
        done = Drained(
            stored=len(new) + gone,
            duplicates=len(kept) - len(new),
            quarantined=calls,
            broken=len(poison) - calls,
            late=len(late),
            closed=batch.last,
        )
        _move(row, batch, done, now)
        arrivals.announce(new, now)  # its lock is the last that is taken
    return done


def _prepare(batch: Batch, now: datetime) -> tuple[list[Ready], list[Poison]]:
    ready: list[Ready] = []
    poison = list(batch.poison)
    for ended in batch.ended:
        try:
            event = bounded(checked(ended.event))
            row = row_of(event)
            if row[1] > now + FUTURE:
                raise ValueError("started_at is in the future")
            ready.append(Ready(event, row, ended))
        except ValueError as error:
            poison.append(_poison(ended, str(error)))
    return ready, poison


def _make_days(ready: list[Ready]) -> None:
    if partitions.in_use():
        kept, _ = _split(ready)
        partitions.make_known({one.row[1].date() for one in kept})


def _split(ready: list[Ready]) -> tuple[list[Ready], list[Ready]]:
    """The calls of days that are kept, and the late ones."""
    before = Trimmed.objects.values_list("calls_before", flat=True).first()
    if before is None or all(one.row[1] >= before for one in ready):
        return ready, []
    kept = [one for one in ready if one.row[1] >= before]
    return kept, [one for one in ready if one.row[1] < before]


def _without_erased(ready: list[Ready]) -> tuple[list[Ready], int]:
    """The calls to store, and how many there are of applications that were deleted: stored and
    erased in one."""
    deleted = erasing.erased(one.event.application for one in ready)
    kept = [one for one in ready if one.event.application not in deleted] if deleted else ready
    return kept, len(ready) - len(kept)


def _sift(ready: list[Ready]) -> tuple[list[Ready], list[Poison]]:
    """Tries every call alone, without keeping it."""
    good: list[Ready] = []
    poison: list[Poison] = []
    for one in ready:
        try:
            with transaction.atomic():
                _insert([one])
                rollups.increment(rollups.Tally([counted(one.event)]))
                transaction.set_rollback(True)
            good.append(one)
        except (DataError, IntegrityError) as error:
            poison.append(_poison(one.ended, str(error)))
    return good, poison


def _poison(ended: Told, reason: str) -> Poison:
    return Poison(ended.at, reason, repr(ended.event).encode(), call=True)


def _claim(batch: Batch) -> SpoolWriter:
    """Locks the writer's row and makes sure the batch continues it."""
    row, _ = SpoolWriter.objects.select_for_update().get_or_create(
        pk=batch.writer,
        defaults={"host": host_of(batch.writer), "started_at": started_at_of(batch.writer)},
    )
    if (row.segment, row.offset) != batch.start:
        raise Moved
    return row


def _insert(ready: list[Ready]) -> list[CallEvent]:
    """Inserts what is not there yet; returns the events of the rows inserted."""
    by_id: dict[UUID, Ready] = {}
    for one in ready:
        by_id.setdefault(one.row[0], one)
    inserted = insert_new(Call, COLUMNS, [one.row for one in by_id.values()])
    return [one.event for key, one in by_id.items() if key in inserted]


def _quarantine(writer: str, poison: list[Poison]) -> None:
    Quarantine.objects.bulk_create(
        [
            Quarantine(
                writer=writer,
                segment=item.at.segment,
                offset=item.at.offset,
                reason=item.reason[:200].replace("\0", "�"),
                line=item.line.decode(errors="backslashreplace")[:LINE_LIMIT].replace("\0", "�"),
            )
            for item in poison
        ],
        ignore_conflicts=True,
    )


def _move(row: SpoolWriter, batch: Batch, done: Drained, now: datetime) -> None:
    row.segment, row.offset = batch.end
    row.drained_at = now
    row.closed_at = now if batch.last else None
    row.accepted = max(row.accepted, batch.highest)
    row.stored += done.stored
    row.duplicates += done.duplicates
    row.quarantined += done.quarantined
    row.broken += done.broken
    row.late += done.late
    # What is neither accounted for nor open; worked out anew each time, so that a start that
    # shows up late is no longer lost and none is lost twice.
    accounted = row.stored + row.duplicates + row.quarantined + row.late
    row.lost = row.accepted - accounted - batch.left_open
    row.save()
