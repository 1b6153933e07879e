"""How counts are read: all parts of a range, from minutes, hours and days, in one query."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import DateTimeField, F, Model, QuerySet, Sum, Value

from usage.models import KeyMinute
from usage.periods import Piece, Step, finest, pieces
from usage.rollups import Family, Unanswerable, unpacked
from usage.stats.filters import Filter

SUMS = KeyMinute.SUMS
BREAKDOWNS = (
    "outcome",
    "app_key",
    "app_key_version",
    "provider_key",
    "provider_key_version",
    "provider",
    "endpoint",
    "status",
    "caller",
    "application",
)
VERSIONS = {"app_key": "app_key_version", "provider_key": "provider_key_version"}
Row = dict[str, Any]
Lookups = dict[str, Any]
Part = tuple[Step, Lookups]  # which table, and which of its rows


class TooFine(ValueError):
    """A series asked in steps that are no longer kept that far back."""


def column(f: Filter, by: str) -> str:
    """The column that tells the values of a breakdown apart; `version` is that of the filter's key.

    Raises ValueError.
    """
    if by == "version":
        key = next((name for name in VERSIONS if getattr(f, name)), "")
        if not key:
            raise Unanswerable("a version is of one key: name the app key or the provider key")
        return VERSIONS[key]
    if by not in BREAKDOWNS:
        raise ValueError(f"by must be one of {', '.join((*BREAKDOWNS, 'version'))}")
    return by


def check_kept(since: datetime, step: Step, now: datetime, family: Family) -> None:
    """Raises TooFine."""
    kept = finest(since, now, family.finest)
    if kept.length > step.length:
        raise TooFine(f"so far back it is kept by the {kept} only")


def parts(f: Filter, family: Family, now: datetime, coarsest: Step = Step.DAY) -> list[Part]:
    """Which table answers for which part of the range, and the lookups of its rows."""
    return among(f, pieces(*f.range(now), now, coarsest, family.finest))


def among(f: Filter, covering: Iterable[Piece]) -> list[Part]:
    return [
        (piece.step, f.dimensions | {"at__gte": piece.since, "at__lt": piece.until})
        for piece in covering
    ]


def sums(family: Family, told: Iterable[Part], also: Lookups, *by: str) -> Iterable[Row]:
    """Sums by the columns named. A value may come once for each part: add the rows up."""
    return together([_summed(family.counts[step], lookups | also, *by) for step, lookups in told])


def latencies(family: Family, told: Iterable[Part], also: Lookups, *by: str) -> Iterable[Row]:
    """By the columns named, pairs of a latency's bucket and its requests (`buckets`); likewise."""
    models = family.latencies
    return _unpacked(together([_told(models[step], lookups | also, *by) for step, lookups in told]))


def tells_latency(names: set[str], family: Family) -> bool:
    """Whether the family's histograms know all these columns."""
    return names.issubset(family.latency_dimensions)


class Period:
    """A range read by the moment, and the one before it in sum, in one query each.

    Rows of the range have their bucket's start as `moment`, those before the start of the other.
    """

    def __init__(
        self, family: Family, told: Sequence[Part], before: Sequence[Part], at: datetime
    ) -> None:
        self._family = family
        self._parts = [(F("at"), *part) for part in told]
        then = Value(at, output_field=DateTimeField())
        self._parts += [(then, *part) for part in before]  # type: ignore[misc]

    def sums(self, also: Lookups, *by: str) -> Iterable[Row]:
        counts = self._family.counts
        return together(
            [
                _summed(counts[step], lookups | also, *by, moment=moment)
                for moment, step, lookups in self._parts
            ]
        )

    def latencies(self) -> Iterable[Row]:
        models = self._family.latencies
        return _unpacked(
            together([_told(models[step], lookups, moment=at) for at, step, lookups in self._parts])
        )


def together(queries: Sequence[QuerySet[Any, Any]]) -> Iterable[Row]:
    """The rows of all, in one query."""
    if not queries:
        return []
    return queries[0].union(*queries[1:], all=True) if len(queries) > 1 else queries[0]


def _summed(model: type[Model], lookups: Lookups, *by: str, **told: Any) -> QuerySet[Any, Any]:
    rows = model._default_manager.filter(**lookups).order_by()
    found = rows.values(*dict.fromkeys(by), **told)
    summed: QuerySet[Any, Any] = found.annotate(**{name: Sum(name) for name in SUMS})
    return summed


def _told(model: type[Model], lookups: Lookups, *by: str, **told: Any) -> QuerySet[Any, Any]:
    rows = model._default_manager.filter(**lookups).order_by()
    found: QuerySet[Any, Any] = rows.values(*by, "histogram", **told)
    return found


def _unpacked(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        row["buckets"] = unpacked(row.pop("histogram"))
        yield row
