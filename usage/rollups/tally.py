"""Sums of calls in memory, and their way to the tables."""

from collections.abc import Iterable
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple

from usage.bulk import add
from usage.events import UNCOUNTED
from usage.periods import Step
from usage.rollups.families import FAMILIES, Family, tables
from usage.rollups.histogram import bucket_of

MINUTE_MS = 60_000
_UNCOUNTED = frozenset(outcome.value for outcome in UNCOUNTED)


class Counted(NamedTuple):
    """What of a call is counted: where, as whose, how it ended, and how much it was."""

    started_at: int  # epoch milliseconds
    application: str
    app_key: str
    app_key_version: int
    provider: str
    provider_key: str
    provider_key_version: int
    endpoint: str
    caller: str
    outcome: str
    status: int
    latency_ms: float
    bytes_in: int
    bytes_out: int
    tokens_in: int
    tokens_out: int
    cost_nanos: int


_DIMENSIONS = Counted._fields[:11]  # `at` in the place of started_at
_OUTCOME = _DIMENSIONS.index("outcome")
Row = tuple[Any, ...]


class _Cell:
    """The calls of one minute that nothing tells apart."""

    __slots__ = ("buckets", "sums")

    def __init__(self) -> None:
        self.sums = [0, 0, 0, 0, 0, 0, 0]  # as models' SUMS
        self.buckets: dict[int, int] = {}


class Tally:
    """Sums of calls by minute and all dimensions, before they go to the tables."""

    def __init__(self, calls: Iterable[Counted] = ()) -> None:
        self.cells: dict[Row, _Cell] = {}
        for call in calls:
            self.add(call)

    def add(self, call: Counted) -> None:
        key = (call[0] // MINUTE_MS, *call[1:11])
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = _Cell()
        latency_ms = call[11]
        sums = cell.sums
        sums[0] += 1
        sums[1] += int(latency_ms * 1000)
        sums[2] += call[12]
        sums[3] += call[13]
        sums[4] += call[14]
        sums[5] += call[15]
        sums[6] += call[16]
        # Refusals take no time and hang-ups any: neither says how fast a provider is.
        if call[9] not in _UNCOUNTED:
            bucket = bucket_of(latency_ms)
            cell.buckets[bucket] = cell.buckets.get(bucket, 0) + 1

    @property
    def requests(self) -> int:
        return sum(cell.sums[0] for cell in self.cells.values())

    def rows(self) -> dict[type[Any], list[Row]]:
        """The rows that each table grows by: its KEY, then its SUMS."""
        found: dict[type[Any], list[Row]] = {}
        for family in FAMILIES:
            counts, latencies = self._by_minute(family)
            for step in Step:
                if step in family.counts:
                    counts = _coarser(counts, step)
                    found[family.counts[step]] = _dated((*k, *s) for k, s in counts.items())
                if step in family.latencies:
                    latencies = _coarser(latencies, step)
                    found[family.latencies[step]] = _dated((*k, *s) for k, s in latencies.items())
        return found

    def _by_minute(self, family: Family) -> tuple[dict[Row, list[int]], dict[Row, list[int]]]:
        counts: dict[Row, list[int]] = {}
        latencies: dict[Row, list[int]] = {}
        place = _places(("at", *family.dimensions))
        latency_place = _places(("at", *family.latency_dimensions))
        for key, cell in self.cells.items():
            _merge(counts, place(key), cell.sums)
            if family.latencies and cell.buckets:
                there = latency_place(key)
                for bucket, requests in cell.buckets.items():
                    _merge(latencies, (*there, bucket), [requests])
        return counts, latencies


def increment(tally: Tally) -> None:
    """Adds a tally to all tables, within the caller's transaction."""
    rows = tally.rows()
    for table in tables():
        add(table.model, table.model.KEY, table.model.SUMS, rows[table.model])


def _places(names: tuple[str, ...]) -> Any:
    columns = ("at", *_DIMENSIONS[1:])
    return itemgetter(*(columns.index(name) for name in names))


def _merge(into: dict[Row, list[int]], key: Row, sums: list[int]) -> None:
    there = into.get(key)
    into[key] = sums if there is None else [a + b for a, b in zip(there, sums, strict=True)]


def _coarser(by_minute: dict[Row, list[int]], step: Step) -> dict[Row, list[int]]:
    """The same by the minute in which the step begins."""
    if step is Step.MINUTE:
        return by_minute
    length = step.seconds // 60
    folded: dict[Row, list[int]] = {}
    for (minute, *rest), sums in by_minute.items():
        _merge(folded, (minute // length * length, *rest), sums)
    return folded


def _dated(rows: Iterable[Row]) -> list[Row]:
    start_of = _Starts()
    return [(start_of[row[0]], *row[1:]) for row in rows]


class _Starts(dict[int, datetime]):
    """The start of an epoch minute, worked out once."""

    def __missing__(self, minute: int) -> datetime:
        self[minute] = datetime.fromtimestamp(minute * 60, UTC)
        return self[minute]
