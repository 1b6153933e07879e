"""Counts made again from raw calls, or compared with them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from usage.models import Call, Trimmed
from usage.periods import Step, floor, kept_since, ticks
from usage.rollups.families import Count, Latency, tables
from usage.rollups.tally import Counted, Tally, increment


class NotKept(ValueError):
    """A range whose raw calls are no longer all there."""


class Difference(NamedTuple):
    """A row of counts that is not what the raw calls add up to (None: no such row)."""

    table: str
    key: tuple[Any, ...]
    stored: tuple[int, ...] | None
    raw: tuple[int, ...] | None


def calls_kept_since(now: datetime) -> datetime:
    """The first day whose raw calls are all kept.

    That is what the setting says, but not what was let go of before it was raised.
    """
    wanted = floor(now - timedelta(days=settings.CALL_RETENTION_DAYS), Step.DAY)
    gone = Trimmed.objects.values_list("calls_before", flat=True).first()
    return max(wanted, gone) if gone else wanted


def rebuild(since: datetime, until: datetime, now: datetime | None = None) -> int:
    """Counts the whole days that hold the range again from raw calls; returns the calls counted.

    Raises NotKept. Ingest waits while a day is counted; its spool holds what comes in.
    """
    counted = 0
    for day in _kept_days(since, until, now or timezone.now()):
        with transaction.atomic():
            _hold_ingest()
            tally = Tally(_raw(day))
            for table in tables():
                rows = table.model._default_manager
                rows.filter(at__gte=day, at__lt=day + Step.DAY.length).delete()
            increment(tally)
            counted += tally.requests
    return counted


def compare(since: datetime, until: datetime, now: datetime | None = None) -> Iterator[Difference]:
    """Differences between counts and raw calls in the whole days that hold the range."""
    now = now or timezone.now()
    for day in _kept_days(since, until, now):
        with transaction.atomic():
            _hold_ingest()
            raw = Tally(_raw(day)).rows()
            stored = {table.model: _stored(table.model, day) for table in tables()}
        for table in tables():
            kept = kept_since(table.step, now) or day
            yield from _differences(table.model, stored[table.model], raw[table.model], kept)


def _differences(
    model: type[Count] | type[Latency],
    stored: dict[tuple[Any, ...], tuple[int, ...]],
    rows: list[tuple[Any, ...]],
    kept: datetime,
) -> Iterator[Difference]:
    width = len(model.KEY)
    raw = {tuple(row[:width]): tuple(row[width:]) for row in rows}
    for key in sorted(raw.keys() | stored.keys()):
        left, right = stored.get(key), raw.get(key)
        if left != right and key[0] >= kept:
            yield Difference(model._meta.db_table, key, left, right)


def _kept_days(since: datetime, until: datetime, now: datetime) -> list[datetime]:
    days = list(ticks(since, until, Step.DAY))
    if days and days[0] < calls_kept_since(now):
        raise NotKept(f"raw calls are kept since {calls_kept_since(now):%Y-%m-%d} only")
    return days


def _hold_ingest() -> None:
    # On SQLite the transaction itself is exclusive (IMMEDIATE).
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                f"LOCK TABLE {connection.ops.quote_name(Call._meta.db_table)} IN SHARE MODE"
            )


def _raw(day: datetime) -> Iterator[Counted]:
    rows = Call.objects.filter(started_at__gte=day, started_at__lt=day + Step.DAY.length)
    for started_at, *rest in rows.values_list(*Counted._fields).iterator(chunk_size=5000):
        yield Counted(round(started_at.timestamp() * 1000), *rest)


def _stored(
    model: type[Count] | type[Latency], day: datetime
) -> dict[tuple[Any, ...], tuple[int, ...]]:
    rows = model._default_manager.filter(at__gte=day, at__lt=day + Step.DAY.length)
    width = len(model.KEY)
    return {row[:width]: row[width:] for row in rows.values_list(*model.KEY, *model.SUMS)}
