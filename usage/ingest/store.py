"""One batch of a spool into the database, in one transaction (DESIGN decisions 4 and 5)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import DataError, IntegrityError, transaction

from usage import erasing, partitions, rollups
from usage.ingest import arrivals, evidence
from usage.ingest.bounds import bound
from usage.ingest.kinds import Gathered, Row, Told
from usage.ingest.sink import SINK, AlreadyThere
from usage.models import Quarantine, SpoolWriter, Trimmed
from usage.spool import Position, host_of, started_at_of

LINE_LIMIT = 10_000  # characters of a quarantined line that are kept
TRIES = 3  # of a batch that others meddle with


class Moved(Exception):
    """Another drainer was here: the writer's row is not at the batch's start."""


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
    full: bool = False  # as many lines as one batch may have: more follow, it seems
    gathered: Gathered | None = None  # of `ended`, where that was done ahead


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
    known: frozenset[str] = frozenset()
    gathered = batch.gathered or Gathered(batch.ended, now)
    for _ in range(TRIES):
        bound(gathered.kinds)
        try:
            _make_room(gathered)
            return _store(batch, gathered, [], now)
        except AlreadyThere:
            # So rare that it is cheaper found out than asked for.
            known = SINK.known(gathered.ids)
        except (DataError, IntegrityError) as error:
            if not partitions.is_missing(error):
                # The checks let something through that this database refuses: keep the rest.
                known = SINK.known(gathered.ids)
                good, bad = _sift(batch.ended, now, known)
                if not bad:
                    raise
                return _store(batch, _gather(good, now, known), bad, now)
            # A day was dropped since this process met it: what is of it comes late now.
            partitions.forget()
        gathered = Gathered(batch.ended, now, known)
    raise Moved


def _gather(told: Iterable[Told], now: datetime, known: frozenset[str]) -> Gathered:
    gathered = Gathered(told, now, known)
    bound(gathered.kinds)
    return gathered


def _store(batch: Batch, gathered: Gathered, refused: list[Poison], now: datetime) -> Drained:
    poison = [*batch.poison, *refused]
    poison += [_poison(told, reason) for told, reason in gathered.refused]
    with transaction.atomic():
        row = _claim(batch)
        # Of applications that were deleted: stored and erased in one.
        gathered.leave_out(erasing.erased({kind.application for kind in gathered.kinds}))
        before = _kept_since()
        late = gathered.late(before)
        rows = _put(gathered, before)
        _quarantine(batch.writer, poison)
        calls = sum(item.call for item in poison)
        done = Drained(
            stored=len(gathered) - late,
            duplicates=gathered.duplicates,
            quarantined=calls,
            broken=len(poison) - calls,
            late=late,
            closed=batch.last,
        )
        _move(row, batch, done, now)
        arrivals.announce(rows, now)  # its lock is the last that is taken
    return done


def _put(gathered: Gathered, before: datetime | None) -> list[Row]:
    if rows := gathered.rows(before):
        SINK.put(rows)
    rollups.increment(gathered.kinds)
    evidence.hand_over(gathered)
    return rows


def _kept_since() -> datetime | None:
    """The first day whose calls have a place; None: all have."""
    return Trimmed.objects.values_list("calls_before", flat=True).first()


def _make_room(gathered: Gathered) -> None:
    minutes = {kind.minute // 1440 for kind in gathered.kinds}
    days = {datetime.fromtimestamp(day * 86400, UTC).date() for day in minutes}
    if before := _kept_since():
        days = {day for day in days if day >= before.date()}
    SINK.make_room(days)


def _sift(
    told: list[Told], now: datetime, known: frozenset[str]
) -> tuple[list[Told], list[Poison]]:
    """Tries every call alone, without keeping it. What is known is not tried again."""
    good: list[Told] = []
    bad: list[Poison] = []
    before = _kept_since()
    for one in told:
        gathered = _gather([one], now, known)
        try:
            with transaction.atomic():
                _put(gathered, before)
                transaction.set_rollback(True)
            good.append(one)
        except (DataError, IntegrityError) as error:
            bad.append(_poison(one, str(error)))
    return good, bad


def _poison(told: Told, reason: str) -> Poison:
    line, segment, offset, _ = told
    return Poison(Position(segment, offset), reason, line, call=True)


def _claim(batch: Batch) -> SpoolWriter:
    """Locks the writer's row and makes sure the batch continues it."""
    row, _ = SpoolWriter.objects.select_for_update().get_or_create(
        pk=batch.writer,
        defaults={"host": host_of(batch.writer), "started_at": started_at_of(batch.writer)},
    )
    if (row.segment, row.offset) != batch.start:
        raise Moved
    return row


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
