"""Calls gathered by what they have in common: checked, told apart and summed by the column.

A busy application's calls differ in their id, their time and their sizes, and hardly in anything
else. Whole columns are looked at at once; where one does not fit, the calls are halved until the
one is found, which goes the long way: that makes it fit or says why it can't.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, repeat
from math import inf
from typing import Any

import orjson

from usage.events import UNCOUNTED, VERSION, CallEvent, Outcome
from usage.ingest.rows import SIZES, Values, check, check_shared, checked, made_to_fit
from usage.rollups import Cell, bucket_of
from usage.rollups.tally import MINUTE_MS
from usage.spool.records import FIELDS, BrokenLine, named, values_of

# By the calls of a kind; `endpoint` and `caller` may be renamed.
SHARED: tuple[str, ...] = (
    *("source", "application", "provider", "method", "endpoint", "app_key", "app_key_version"),
    *("provider_key", "provider_key_version", "caller", "outcome", "status"),
)
OWN: tuple[str, ...] = (
    *("address", "user_agent", "code", "message", "latency_ms", "first_byte_ms", "bytes_in"),
    *("bytes_out", "tokens_in", "tokens_out", "cost_nanos", "attempts", "tried"),
)
# A row: its id (a UUID's text), its start ("YYYY-MM-DD HH:MM:SS.ffffff" in UTC), the values of
# SHARED in a tuple that all rows of a kind have in common, and those of OWN.
Row = tuple[Any, ...]
LOT = 500  # calls read at once: what was made of their lines goes before the next are read
FUTURE = timedelta(days=2)  # a clock may be that wrong; beyond it, days would be made without end
_UNJUDGED = frozenset(map(str, UNCOUNTED))
_OK, _KEY_ERROR = str(Outcome.OK), str(Outcome.KEY_ERROR)
_NAMES = FIELDS[VERSION]
_MILLISECONDS = ["", *(f".{n:03}000" for n in range(1, 1000))]

# A call as its line tells it: the line, its segment and offset, and whether it was left open.
Told = tuple[bytes, int, int, bool]


Columns = dict[str, Sequence[Any]]


class Kind(Cell):
    """The calls of one minute that share what charts tell apart, and their method and source."""

    __slots__ = (
        "judged",
        "latest",
        "left_out",
        "refuses",
        "shared",
        "told",
        "told_ended",
        "vouches",
    )

    def __init__(self, minute: int, shared: tuple[Any, ...]) -> None:
        _, application, provider, _, endpoint, app_key, app_key_version = shared[:7]
        provider_key, provider_key_version, caller, outcome, status = shared[7:]
        key = (application, app_key, app_key_version, provider, provider_key)
        super().__init__(minute, (*key, provider_key_version, endpoint, caller, outcome, status))
        self.shared = shared
        self.left_out = False
        self.judged = outcome not in _UNJUDGED
        self.vouches = outcome == _OK and provider_key != ""
        self.refuses = outcome == _KEY_ERROR and provider_key != ""
        self.latest = 0  # start of the latest call, epoch milliseconds
        self.told: Values | None = None  # the call that ended last, of those that vouch for a key
        self.told_ended = -1.0

    def rename(self, endpoint: str, caller: str) -> None:
        """Its calls are stored and counted under these names."""
        self.dimensions = (*self.dimensions[:6], endpoint, caller, *self.dimensions[8:])
        self.shared = (*self.shared[:4], endpoint, *self.shared[5:9], caller, *self.shared[10:])

    @property
    def application(self) -> str:
        return str(self.dimensions[0])


class _Kinds(dict[tuple[Any, ...], Kind]):
    """Kinds by their minute and what they share; one that is met first is checked."""

    def __init__(self, last_minute: float) -> None:
        self._last_minute = last_minute

    def __missing__(self, key: tuple[Any, ...]) -> Kind:
        check_shared(dict(zip(SHARED, key[1:], strict=True)))
        if key[0] > self._last_minute:
            raise ValueError("started_at is in the future")
        kind = self[key] = Kind(key[0], key[1:])
        return kind


class Gathered:
    """A batch's calls, ready to be stored. `known` are ids that are stored already."""

    def __init__(
        self, told: Iterable[Told], now: datetime, known: frozenset[str] = frozenset()
    ) -> None:
        self.refused: list[tuple[Told, str]] = []
        self.duplicates = 0
        self.refusals: list[Values] = []  # of a provider key
        self.passed_on: list[Values] = []  # calls that tried another key first
        self.ids: set[str] = set(known)
        self._kinds = _Kinds((now + FUTURE).timestamp() * 1000 // MINUTE_MS)
        self._parts: list[tuple[list[Kind], Columns]] = []
        self._seconds = _Seconds()
        left = iter(told)
        while lot := list(islice(left, LOT)):
            whole, read, long = self._read(lot)
            self._take(whole, read)
            for one in long:
                self._take_the_long_way(one)
        self.kinds = [kind for kind in self._kinds.values() if kind.sums[0]]

    def __len__(self) -> int:
        return sum(len(kinds) for kinds, _ in self._parts)

    def leave_out(self, applications: set[str]) -> None:
        """Their calls get no row and no count."""
        for kind in self.kinds if applications else ():
            kind.left_out = kind.application in applications
        self.kinds = [kind for kind in self.kinds if not kind.left_out]

    def rows(self, before: datetime | None) -> list[Row]:
        """The rows of the calls that aren't late."""
        first = _minute(before)
        found: list[Row] = []
        some = any(kind.left_out or kind.minute < first for kind in self._kinds.values())
        for kinds, columns in self._parts:
            shared = [kind.shared for kind in kinds]
            own = (columns[name] for name in OWN)
            rows = zip(columns["id"], columns["started_at"], shared, *own, strict=True)
            if some:
                pairs = zip(kinds, rows, strict=True)
                found += [row for kind, row in pairs if kind.minute >= first and not kind.left_out]
            else:
                found += rows
        return found

    def late(self, before: datetime | None) -> int:
        """How many calls were begun before the first day whose calls are kept."""
        first = _minute(before)
        return sum(kind.sums[0] for kind in self.kinds if kind.minute < first)

    def events(self) -> list[CallEvent]:
        """The calls that may say something of a provider key."""
        latest: dict[tuple[Any, ...], Kind] = {}
        for kind in self.kinds:
            key = kind.dimensions[4:6]  # a provider key and its version
            if kind.told and (key not in latest or kind.told_ended > latest[key].told_ended):
                latest[key] = kind
        vouching = [kind.told for kind in latest.values() if kind.told]
        return [
            checked(named(VERSION, values))
            for values in (*vouching, *self.refusals, *self.passed_on)
        ]

    def _read(self, told: Iterable[Told]) -> tuple[list[Told], list[Values], list[Told]]:
        """Calls in the present version with their values, and those that need a longer look."""
        whole: list[Told] = []
        read: list[Values] = []
        long: list[Told] = []
        for one in told:
            line = one[0]
            try:
                version, values = values_of(line)
            except BrokenLine as error:
                self.refused.append((one, str(error)))
                continue
            if version == VERSION and not one[3] and b"\\u0000" not in line:
                whole.append(one)
                read.append(values)
            else:
                long.append(one)
        return whole, read, long

    def _take(self, told: list[Told], read: list[Values]) -> None:
        if not read:
            return
        try:
            self._add(read)
        except (TypeError, ValueError):
            if len(read) > 1:
                half = len(read) // 2
                self._take(told[:half], read[:half])
                self._take(told[half:], read[half:])
            else:
                self._take_the_long_way(told[0])

    def _take_the_long_way(self, one: Told) -> None:
        try:
            values = made_to_fit(*values_of(one[0]), aborted=one[3])
            if values[0] in self.ids:
                self.duplicates += 1
            else:
                self._add([values])
        except (TypeError, ValueError) as error:
            self.refused.append((one, str(error)))

    def _add(self, calls: list[Values]) -> None:
        """All or none. Raises ValueError and TypeError when one does not fit, or is there."""
        if set(map(len, calls)) != {len(_NAMES)}:
            raise ValueError("not the fields of an event")
        columns: Columns = dict(zip(_NAMES, zip(*calls, strict=True), strict=True))
        check(columns)
        ids = set(columns["id"])
        if len(ids) != len(calls) or not self.ids.isdisjoint(ids):
            raise ValueError("comes twice")
        kinds = self._kinds_of(columns)
        self.ids |= ids
        _sum(kinds, columns)
        self._note(kinds, calls, columns)
        self._parts.append((kinds, self._as_stored(columns)))

    def _kinds_of(self, columns: Columns) -> list[Kind]:
        minutes = [at // MINUTE_MS for at in columns["started_at"]]
        shared = (columns[name] for name in SHARED)
        return list(map(self._kinds.__getitem__, zip(minutes, *shared, strict=True)))

    def _note(self, kinds: list[Kind], calls: list[Values], columns: Columns) -> None:
        """What the calls say of their keys."""
        starts, latencies = columns["started_at"], columns["latency_ms"]
        for kind, values, started_at, latency_ms in zip(
            kinds, calls, starts, latencies, strict=True
        ):
            if started_at > kind.latest:
                kind.latest = started_at
            if kind.vouches:
                if started_at + latency_ms > kind.told_ended:
                    kind.told, kind.told_ended = values, started_at + latency_ms
            elif kind.refuses:
                self.refusals.append(values)
        if any(columns["tried"]):
            self.passed_on += [values for values in calls if values[-2]]

    def _as_stored(self, columns: Columns) -> Columns:
        seconds = self._seconds
        columns["started_at"] = [
            seconds[at // 1000] + _MILLISECONDS[at % 1000] for at in columns["started_at"]
        ]
        tried = columns["tried"]
        columns["tried"] = (
            [orjson.dumps(one).decode() if one else "" for one in tried]
            if any(tried)
            else list(repeat("", len(tried)))
        )
        return columns


def _sum(kinds: list[Kind], columns: Columns) -> None:
    latencies = columns["latency_ms"]
    buckets = map(bucket_of, latencies)
    sizes = zip(*(columns[name] for name in SIZES), strict=True)
    for kind, latency_ms, bucket, size in zip(kinds, latencies, buckets, sizes, strict=True):
        sums = kind.sums
        sums[0] += 1
        sums[1] += int(latency_ms * 1000)
        sums[2] += size[0]
        sums[3] += size[1]
        if size[2] or size[3] or size[4]:
            sums[4] += size[2]
            sums[5] += size[3]
            sums[6] += size[4]
        if kind.judged:
            there = kind.buckets
            there[bucket] = there.get(bucket, 0) + 1


def _minute(before: datetime | None) -> float:
    return before.timestamp() * 1000 // MINUTE_MS if before else -inf


class _Seconds(dict[int, str]):
    """An epoch second as the databases write it, in UTC."""

    def __missing__(self, second: int) -> str:
        self[second] = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return self[second]
