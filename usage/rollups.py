"""Counts per minute, hour and day, and latency histograms.

Incremented by `usage.ingest` from the rows it really inserted, in the same transaction, so they
always equal what the raw calls add up to; `compare` shows that and `rebuild` makes it so.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil, log
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from usage.bulk import add
from usage.events import UNCOUNTED
from usage.models import (
    Call,
    DayLatency,
    DayRollup,
    HourLatency,
    HourRollup,
    MinuteLatency,
    MinuteRollup,
    Trimmed,
)
from usage.models.rollups import Latency, Rollup
from usage.periods import Step, floor, kept_since, ticks

# Neighbouring bucket bounds differ by 20 %, the middle is told: at most 10 % off.
GROWTH = 1.2
FIRST_MS = 0.1
LAST_BUCKET = 120  # 0.1 ms * 1.2^120: more than three days
_LOG = log(GROWTH)

COUNTS: dict[Step, type[Rollup]] = {
    Step.MINUTE: MinuteRollup,
    Step.HOUR: HourRollup,
    Step.DAY: DayRollup,
}
LATENCIES: dict[Step, type[Latency]] = {
    Step.MINUTE: MinuteLatency,
    Step.HOUR: HourLatency,
    Step.DAY: DayLatency,
}
SUMS = ("requests", "bytes_in", "bytes_out", "tokens_in", "tokens_out", "cost_nanos")
MINUTE_MS = 60_000


def bucket_of(latency_ms: float) -> int:
    """The histogram bucket of a latency: 0 up to FIRST_MS, then logarithmic."""
    if latency_ms <= FIRST_MS:
        return 0
    return min(ceil(log(latency_ms / FIRST_MS) / _LOG), LAST_BUCKET)


def latency_of(bucket: int) -> float:
    """The latency told for a bucket: at most 10 % from any latency inside it."""
    upper = FIRST_MS * GROWTH**bucket
    return upper if bucket == 0 else upper * 2 / (1 + GROWTH)


def quantile(buckets: dict[int, int], q: float) -> float:
    """The latency below which a share `q` of the calls lie; 0 when there are none."""
    total = sum(buckets.values())
    rank = max(1, ceil(q * total))
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank:
            return latency_of(bucket)
    return 0.0


class Counted(NamedTuple):
    """What of a call is counted; the first six say where, `outcome` and `status` too."""

    started_at: int  # epoch milliseconds
    application: str
    app_key: str
    provider: str
    provider_key: str
    endpoint: str
    outcome: str
    status: int
    latency_ms: float
    bytes_in: int
    bytes_out: int
    tokens_in: int
    tokens_out: int
    cost_nanos: int


class Tally:
    """Sums of calls by minute and dimensions, in memory, before they go to the tables."""

    def __init__(self, calls: Iterable[Counted] = ()) -> None:
        self.counts: dict[tuple[Any, ...], list[int]] = {}
        self.latencies: defaultdict[tuple[Any, ...], int] = defaultdict(int)
        for call in calls:
            self.add(call)

    def add(self, call: Counted) -> None:
        minute = call.started_at // MINUTE_MS
        key = (minute, *call[1:8])
        sums = self.counts.get(key)
        if sums is None:
            sums = self.counts[key] = [0, 0, 0, 0, 0, 0]
        sums[0] += 1
        sums[1] += call.bytes_in
        sums[2] += call.bytes_out
        sums[3] += call.tokens_in
        sums[4] += call.tokens_out
        sums[5] += call.cost_nanos
        # Refusals take no time and hang-ups any: neither says how fast a provider is.
        if call.outcome not in UNCOUNTED:
            self.latencies[(minute, *call[1:6], bucket_of(call.latency_ms))] += 1

    def count_rows(self, step: Step) -> list[tuple[Any, ...]]:
        folded: dict[tuple[Any, ...], list[int]] = {}
        start_of = _Starts(step)
        for (minute, *rest), sums in self.counts.items():
            key = (start_of[minute], *rest)
            there = folded.get(key)
            folded[key] = (
                sums if there is None else [a + b for a, b in zip(there, sums, strict=True)]
            )
        return [(*key, *sums) for key, sums in folded.items()]

    def latency_rows(self, step: Step) -> list[tuple[Any, ...]]:
        folded: defaultdict[tuple[Any, ...], int] = defaultdict(int)
        start_of = _Starts(step)
        for (minute, *rest), requests in self.latencies.items():
            folded[(start_of[minute], *rest)] += requests
        return [(*key, requests) for key, requests in folded.items()]


def increment(tally: Tally) -> None:
    """Adds a tally to all tables, within the caller's transaction."""
    for step in Step:
        add(COUNTS[step], COUNTS[step].KEY, SUMS, tally.count_rows(step))
    for step in Step:
        add(LATENCIES[step], LATENCIES[step].KEY, ("requests",), tally.latency_rows(step))


def tables() -> Iterator[tuple[Step, type[Rollup] | type[Latency], tuple[str, ...]]]:
    """Every table of counts with its step and the columns that are summed."""
    for step in Step:
        yield step, COUNTS[step], SUMS
        yield step, LATENCIES[step], ("requests",)


class _Starts(dict[int, datetime]):
    """The start of the bucket that an epoch minute lies in, worked out once per minute."""

    def __init__(self, step: Step) -> None:
        self._seconds = step.seconds

    def __missing__(self, minute: int) -> datetime:
        start = minute * 60 // self._seconds * self._seconds
        self[minute] = datetime.fromtimestamp(start, UTC)
        return self[minute]


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
            for _, model, _ in tables():
                model._default_manager.filter(at__gte=day, at__lt=day + Step.DAY.length).delete()
            increment(tally)
            counted += sum(sums[0] for sums in tally.counts.values())
    return counted


def compare(since: datetime, until: datetime, now: datetime | None = None) -> Iterator[Difference]:
    """Differences between counts and raw calls in the whole days that hold the range."""
    now = now or timezone.now()
    for day in _kept_days(since, until, now):
        with transaction.atomic():
            _hold_ingest()
            tally = Tally(_raw(day))
            stored = {model: _stored(model, sums, day) for _, model, sums in tables()}
        for step, model, _ in tables():
            rows = tally.count_rows(step) if issubclass(model, Rollup) else tally.latency_rows(step)
            width = len(model.KEY)
            raw = {tuple(row[:width]): tuple(row[width:]) for row in rows}
            for key in sorted(raw.keys() | stored[model].keys()):
                left, right = stored[model].get(key), raw.get(key)
                if left != right and key[0] >= (kept_since(step, now) or day):
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
    model: type[Rollup] | type[Latency], sums: tuple[str, ...], day: datetime
) -> dict[tuple[Any, ...], tuple[int, ...]]:
    rows = model._default_manager.filter(at__gte=day, at__lt=day + Step.DAY.length)
    width = len(model.KEY)
    return {row[:width]: row[width:] for row in rows.values_list(*model.KEY, *sums)}
