"""Sums of calls by minute and all dimensions, in memory."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from usage.events import UNCOUNTED
from usage.periods import Step
from usage.rollups.families import FAMILIES, Family
from usage.rollups.histogram import bucket_of, packed

MINUTE_MS = 60_000
_UNCOUNTED = frozenset(map(str, UNCOUNTED))


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


DIMENSIONS = Counted._fields[1:11]
Row = tuple[Any, ...]
T = TypeVar("T")


class Cell:
    """The calls of one minute that nothing counted tells apart."""

    __slots__ = ("buckets", "dimensions", "minute", "sums")

    def __init__(self, minute: int, dimensions: Row) -> None:
        self.minute = minute  # since the epoch
        self.dimensions = dimensions  # in the order of DIMENSIONS
        self.sums = [0, 0, 0, 0, 0, 0, 0]  # as the models' SUMS
        # Refusals take no time and hang-ups any: neither says how fast a provider is.
        self.buckets: dict[int, int] = {}


class Tally:
    """Calls added up by cell, and the rows of every table that they make."""

    def __init__(self, calls: Iterable[Counted] = ()) -> None:
        self.cells: dict[Row, Cell] = {}
        for call in calls:
            self.add(call)

    def add(self, call: Counted) -> None:
        minute = call[0] // MINUTE_MS
        key = (minute, *call[1:11])
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = Cell(minute, key[1:])
        latency_ms = call[11]
        sums = cell.sums
        sums[0] += 1
        sums[1] += int(latency_ms * 1000)
        sums[2] += call[12]
        sums[3] += call[13]
        sums[4] += call[14]
        sums[5] += call[15]
        sums[6] += call[16]
        if call[9] not in _UNCOUNTED:
            bucket = bucket_of(latency_ms)
            cell.buckets[bucket] = cell.buckets.get(bucket, 0) + 1

    @property
    def requests(self) -> int:
        return sum(cell.sums[0] for cell in self.cells.values())

    def rows(self) -> dict[type[Any], list[Row]]:
        """The rows of each table: its KEY, then its SUMS."""
        found: dict[type[Any], list[Row]] = {}
        for family in FAMILIES:
            counts = self._counts(family)
            for step, model in family.counts.items():
                counts = coarser(counts, step, _added)
                found[model] = dated((*key, *sums) for key, sums in counts.items())
            spread = spread_of(self.cells.values(), family) if family.latencies else {}
            for step, latency in family.latencies.items():
                spread = coarser(spread, step, united)
                found[latency] = dated((*key, packed(there)) for key, there in spread.items())
        return found

    def _counts(self, family: Family) -> dict[Row, list[int]]:
        counts: dict[Row, list[int]] = {}
        place = _places(family.dimensions)
        for cell in self.cells.values():
            _merge(counts, (cell.minute, *place(cell.dimensions)), cell.sums, _added)
        return counts


def spread_of(cells: Iterable[Cell], family: Family) -> dict[Row, dict[int, int]]:
    """The family's histograms by minute: its dimensions, and the calls in each bucket."""
    found: dict[Row, dict[int, int]] = {}
    place = _places(family.latency_dimensions)
    for cell in cells:
        if cell.buckets:
            _merge(found, (cell.minute, *place(cell.dimensions)), cell.buckets, united)
    return found


def coarser(by_minute: dict[Row, T], step: Step, add: Callable[[T, T], T]) -> dict[Row, T]:
    """The same by the minute in which the step begins."""
    if step is Step.MINUTE:
        return by_minute
    length = step.seconds // 60
    folded: dict[Row, T] = {}
    for (minute, *rest), value in by_minute.items():
        _merge(folded, (minute // length * length, *rest), value, add)
    return folded


def united(left: dict[int, int], right: dict[int, int]) -> dict[int, int]:
    """Two histograms in one."""
    both = left.copy()
    for bucket, requests in right.items():
        both[bucket] = both.get(bucket, 0) + requests
    return both


def _places(names: tuple[str, ...]) -> Any:
    return itemgetter(*(DIMENSIONS.index(name) for name in names))


def _merge(into: dict[Row, T], key: Row, value: T, add: Callable[[T, T], T]) -> None:
    there = into.get(key)
    into[key] = value if there is None else add(there, value)


def _added(left: list[int], right: list[int]) -> list[int]:
    return [a + b for a, b in zip(left, right, strict=True)]


def dated(rows: Iterable[Row]) -> list[Row]:
    """Rows whose first value is an epoch minute, with the time instead."""
    start_of = _Starts()
    return [(start_of[row[0]], *row[1:]) for row in rows]


class _Starts(dict[int, datetime]):
    """The start of an epoch minute, worked out once."""

    def __missing__(self, minute: int) -> datetime:
        self[minute] = datetime.fromtimestamp(minute * 60, UTC)
        return self[minute]
