"""Counts made again from raw calls, or compared with them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from keys.telling import whole_day
from usage.models import Call, Comparison, Trimmed
from usage.models.rollups import Histogram
from usage.periods import Step, floor, kept_since, ticks
from usage.rollups.adding import increment
from usage.rollups.families import Count, Latency, tables
from usage.rollups.histogram import merged
from usage.rollups.tally import Counted, Tally

PIECE = timedelta(hours=4)  # of a day, counted in memory at once
Model = Count | Latency
Counts = dict[tuple[Any, ...], tuple[Any, ...]]  # a row's KEY -> its SUMS


class NotKept(ValueError):
    """A range whose raw calls are no longer all there."""


class Difference(NamedTuple):
    """A row of counts that is not what the raw calls add up to (None: no such row)."""

    table: str
    key: tuple[Any, ...]
    stored: tuple[Any, ...] | None
    raw: tuple[Any, ...] | None


def calls_kept_since(now: datetime) -> datetime:
    """The first day whose raw calls are all kept.

    That is what the setting says, but not what was let go of before it was raised.
    """
    wanted = floor(now - timedelta(days=settings.CALL_RETENTION_DAYS), Step.DAY)
    gone = Trimmed.objects.values_list("calls_before", flat=True).first()
    return max(wanted, gone) if gone else wanted


def rebuild(since: datetime, until: datetime, now: datetime | None = None) -> int:
    """Counts the whole days that hold the range again from raw calls; returns the calls counted.

    What the daily comparison found of these days is no longer so and goes. Raises NotKept.
    Ingest waits while a day is counted; its spool holds what comes in.
    """
    counted = 0
    for day in _kept_days(since, until, now or timezone.now()):
        with transaction.atomic():
            _hold_ingest()
            for table in tables():
                rows = table.model._default_manager
                rows.filter(at__gte=day, at__lt=day + Step.DAY.length).delete()
            for piece in _pieces(day):
                tally = Tally(_raw(piece))
                increment(tally.cells.values())
                counted += tally.requests
            Comparison.objects.filter(pk=day.date()).delete()
    return counted


def compare(since: datetime, until: datetime, now: datetime | None = None) -> Iterator[Difference]:
    """Differences between counts and raw calls in the whole days that hold the range.

    Ingest does not wait: a day is read as it is at one moment, piece by piece. Raises NotKept.
    """
    now = now or timezone.now()
    for day in _kept_days(since, until, now):
        with _moment():
            found = list(_compared(day, now))
        yield from found


def _compared(day: datetime, now: datetime) -> Iterator[Difference]:
    until = day + Step.DAY.length
    fine = [table.model for table in tables() if table.step is Step.MINUTE]
    whole: dict[Any, Counts] = {t.model: {} for t in tables() if t.step is not Step.MINUTE}
    kept = {table.model: kept_since(table.step, now) or day for table in tables()}
    for piece in _pieces(day):
        rows = Tally(_raw(piece)).rows()
        for model, counts in whole.items():
            _fold(counts, _by_key(model, rows[model]))
        for model in fine:
            if piece >= kept[model]:
                stored = _stored(model, piece, piece + PIECE)
                yield from _differences(model, stored, _by_key(model, rows[model]))
    for model, counts in whole.items():
        if day >= kept[model]:
            yield from _differences(model, _stored(model, day, until), counts)


def _pieces(day: datetime) -> Iterator[datetime]:
    at = day
    while at < day + Step.DAY.length:
        yield at
        at += PIECE


def _differences(model: type[Model], stored: Counts, raw: Counts) -> Iterator[Difference]:
    for key in sorted(raw.keys() | stored.keys()):
        left, right = stored.get(key), raw.get(key)
        if left != right:
            yield Difference(model._meta.db_table, key, left, right)


def _fold(whole: Counts, part: Counts) -> None:
    for key, sums in part.items():
        there = whole.get(key)
        whole[key] = sums if there is None else tuple(map(_added, there, sums))


def _added(left: Any, right: Any) -> Any:
    return merged(left, right) if isinstance(left, bytes) else left + right


def _kept_days(since: datetime, until: datetime, now: datetime) -> list[datetime]:
    days = list(ticks(since, until, Step.DAY))
    if days and days[0] < calls_kept_since(now):
        raise NotKept(f"raw calls are kept since {whole_day(calls_kept_since(now))} only")
    return days


def _hold_ingest() -> None:
    # On SQLite the transaction itself is exclusive (IMMEDIATE).
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                f"LOCK TABLE {connection.ops.quote_name(Call._meta.db_table)} IN SHARE MODE"
            )


@contextmanager
def _moment() -> Iterator[None]:
    """All that is read in here is as it was when the reading began; nobody waits for it."""
    if connection.in_atomic_block:
        yield  # the caller's transaction decides
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
    else:
        # Not by `atomic`, which would keep all writers out (transaction_mode=IMMEDIATE).
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")


def _raw(since: datetime) -> Iterator[Counted]:
    rows = Call.objects.filter(started_at__gte=since, started_at__lt=since + PIECE)
    for started_at, *rest in rows.values_list(*Counted._fields).iterator(chunk_size=5000):
        yield Counted(round(started_at.timestamp() * 1000), *rest)


def _stored(model: type[Model], since: datetime, until: datetime) -> Counts:
    rows = model._default_manager.filter(at__gte=since, at__lt=until)
    return _by_key(model, rows.values_list(*model.KEY, *model.SUMS))


def _by_key(model: type[Model], rows: Iterable[tuple[Any, ...]]) -> Counts:
    width = len(model.KEY)
    if issubclass(model, Histogram):  # PostgreSQL's bytes are a memoryview
        return {row[:width]: (bytes(row[width]),) for row in rows}
    return {row[:width]: row[width:] for row in rows}
