"""Seeded calls into the database, with their counts, their account and the keys' last use.

A day is written at once, by the fastest way that each engine has. Its counts need no adding up
with what is there: nobody else counts for these applications.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import models, transaction
from django.utils import timezone
from uuid_utils import uuid7

from keys.models import AppKey, AppKeyVersion, Application, ProviderKey, ProviderKeyVersion
from usage import demo_state, partitions, rollups
from usage.models import Call, SpoolWriter
from usage.periods import Step, kept_since
from usage.rollups import Counted, Tally
from usage.seeding.cast import Cast, seeded
from usage.seeding.rhythm import DAY, HOUR, Hour, hours
from usage.seeding.traffic import COLUMNS, Row, Traffic
from usage.seeding.writing import write, zone

WRITER = "seeded"
_counted = itemgetter(*(COLUMNS.index(name) for name in Counted._fields))


class _Use(NamedTuple):
    """A kind of key, and where a row says which and in what version."""

    key: type[models.Model]
    version: type[models.Model]
    id: int
    number: int


_USES = tuple(
    _Use(key, version, COLUMNS.index(name), COLUMNS.index(f"{name}_version"))
    for key, version, name in (
        (AppKey, AppKeyVersion, "app_key"),
        (ProviderKey, ProviderKeyVersion, "provider_key"),
    )
)
Latest = dict[tuple[str, int], int]  # id and version -> epoch milliseconds


def real() -> str:
    """What is here that nobody made up, in words; empty: nothing."""
    made_up = seeded()
    if Call.objects.exclude(application__in=made_up).exists():
        return "real calls"
    # They stay when their calls are let go of, or their application is being erased.
    for table in rollups.tables():
        if table.model._default_manager.exclude(application__in=made_up).exists():
            return "counts of real calls"
    _, demo = demo_state.find()
    others = Application.objects.exclude(pk__in=[*made_up, demo.pk if demo else ""])
    return "applications that somebody made" if others.exists() else ""


def seed(
    cast: Cast,
    *,
    calls: int,
    luck: random.Random,
    told: Callable[[int], Any] = lambda _: None,
) -> int:
    """Stores `calls` calls of the cast and tells after each day how many it was; returns all.

    A day is stored whole or not at all. On SQLite ingest waits while one is written.
    """
    now = timezone.now()
    writer = SpoolWriter.objects.create(
        id=f"{WRITER}.{uuid7().hex}", host=WRITER, started_at=now, closed_at=now
    )
    run = _Run(Traffic(cast, luck), writer, now)
    every = hours(cast.since_ms, cast.until_ms, calls, len(cast.parts), luck)
    for day, some in groupby(every, key=lambda hour: hour.since // DAY):
        at = datetime.fromtimestamp(day * DAY / 1000, UTC)
        told(run.store(at.date(), list(some)))
    with transaction.atomic():
        for latest, use in zip(run.used, _USES, strict=True):
            _touch(use.key, use.version, latest)
    return writer.stored


class _Run:
    """What one seeding keeps between its days."""

    def __init__(self, traffic: Traffic, writer: SpoolWriter, now: datetime) -> None:
        self._traffic, self._writer, self._now = traffic, writer, now
        self.used: list[Latest] = [{} for _ in _USES]

    def store(self, day: date, some: list[Hour]) -> int:
        """Stores a day's calls; returns how many."""
        tally = Tally()
        with transaction.atomic():
            with partitions.beside(day) as table_of_calls:
                stored = write(table_of_calls, COLUMNS, self._counted(some, tally))
            rows = tally.rows()
            for table in rollups.tables():
                kept = kept_since(table.step, self._now)
                texts = _Texts(kept, zone())
                dated = ((texts[row[0]], *row[1:]) for row in rows[table.model])
                names = (*table.model.KEY, *table.model.SUMS)
                write(table.model._meta.db_table, names, (row for row in dated if row[0]))
            self._writer.accepted += stored
            self._writer.stored += stored
            self._writer.drained_at = self._now
            self._writer.save()
        return stored

    def _counted(self, some: list[Hour], tally: Tally) -> Iterator[Row]:
        """Rows with their times as the engine takes them, each counted as it goes by."""
        minutes, utc = kept_since(Step.MINUTE, self._now), zone()
        uses = list(zip(self.used, _USES, strict=True))
        for hour in some:
            # Of an hour whose minutes aren't kept all calls count as its first minute's.
            folded = minutes is not None and hour.until <= minutes.timestamp() * 1000
            start, second, text = hour.since - hour.since % HOUR, -1, ""
            for row in self._traffic.of(hour):
                at, *rest = _counted(row)
                tally.add(Counted(start if folded else at, *rest))
                for latest, use in uses:
                    latest[row[use.id], row[use.number]] = at
                if at // 1000 != second:
                    second = at // 1000
                    text = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"
                part = f".{at % 1000:03d}000" if at % 1000 else ""
                yield (row[0], f"{text}{part}{utc}", *row[2:])


class _Texts(dict[datetime, str]):
    """Times of counts as the engine takes them; empty where such counts aren't kept."""

    def __init__(self, kept: datetime | None, utc: str) -> None:
        self._kept, self._utc = kept, utc

    def __missing__(self, at: datetime) -> str:
        kept = self._kept is None or at >= self._kept
        self[at] = f"{at:%Y-%m-%d %H:%M:%S}{self._utc}" if kept else ""
        return self[at]


def _touch(key: type[models.Model], version: type[models.Model], latest: Latest) -> None:
    """Says when each key and version was used last."""
    for (pk, number), milliseconds in sorted(latest.items(), key=lambda item: item[1]):
        used_at = datetime.fromtimestamp(milliseconds / 1000, UTC)
        key._default_manager.filter(pk=pk).update(last_used_at=used_at)
        version._default_manager.filter(key=pk, number=number).update(last_used_at=used_at)
