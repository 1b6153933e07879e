"""How counts are read: all parts of a range, from minutes, hours and days, added up in one query.

Its SQL is written here: the ORM takes longer to put such a query into words, and to make objects of
its rows, than the database takes to answer it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Model

from usage.models import KeyMinute
from usage.periods import Piece, Step, finest, pieces
from usage.rollups import Family, Unanswerable
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
_SIGNS = {"": "=", "gte": ">=", "lt": "<", "not": "<>"}
_EPOCH = {
    "postgresql": "CAST(date_part('epoch', at) AS bigint)",
    "sqlite": "CAST(strftime('%%s', at) AS bigint)",
}
Lookups = dict[str, Any]  # as the ORM's `filter` takes them, of the kinds in _SIGNS and `in`
Row = tuple[Any, ...]
Select = tuple[str, list[Any]]  # SQL and its parameters


class Part(NamedTuple):
    """Which table, and which of its rows."""

    step: Step
    lookups: Lookups
    moment: datetime | None = None  # told as `at` of them all


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
        Part(piece.step, f.dimensions | {"at__gte": piece.since, "at__lt": piece.until})
        for piece in covering
    ]


def apart(told: Iterable[Part]) -> list[Part]:
    """The same, each with its beginning as the `at` of all its rows: by `at`, parts stay apart."""
    return [part._replace(moment=part.lookups["at__gte"]) for part in told]


def sums(family: Family, told: Sequence[Part], also: Lookups, *by: str) -> list[Row]:
    """Each combination of the columns named, and the SUMS of its rows. `at` is epoch seconds."""
    return _fetched(_sums(family, told, also, by))


def latencies(family: Family, told: Sequence[Part], also: Lookups, *by: str) -> list[Row]:
    """By the columns named, packed histograms one behind the other; a combination comes often."""
    return [row for row in _fetched(_histograms(family, told, also, by)) if row[-1] is not None]


def both(
    family: Family, timed: Family | None, told: Sequence[Part], also: Lookups, *by: str
) -> tuple[list[Row], list[Row]]:
    """The sums, and the histograms of another family (of none: no histograms), in one query.

    Histograms are told apart by `at` where it is the first of the columns, and by nothing else;
    `also`, how calls ended, is not told of them.
    """
    if not timed:
        return sums(family, told, also, *by), []
    dated = by[:1] == ("at",)
    nothing = ["NULL"] * (len(by) - dated + len(SUMS))
    found: list[Row] = []
    histograms: list[Row] = []
    for row in _fetched(
        _sums(family, told, also, by, "NULL"),
        _histograms(timed, told, {}, by[:dated], *nothing),
    ):
        if row[-1] is not None:
            histograms.append((row[0], row[-1]))
        elif row[-2] is not None:
            found.append(row[:-1])
    return found, histograms


def scores(
    family: Family, told: Sequence[Part], also: Lookups, by: str, *wanted: str, most: int = 0
) -> list[Row]:
    """Each value of a column, and whole numbers added up from expressions on its rows.

    With `most` so many of them, those with the greatest of the first numbers first.
    """
    added = [f"CAST(sum({one}) AS bigint)" for one in wanted]
    order = f" ORDER BY 2 DESC, 1 LIMIT {most:d}" if most else ""
    columns = (by, *SUMS, "outcome")
    return _fetched(_select(family.counts, told, also, (by,), added, columns, order))


def tells_latency(names: set[str], family: Family) -> bool:
    """Whether the family's histograms know all these columns."""
    return names.issubset(family.latency_dimensions)


def _sums(
    family: Family, told: Sequence[Part], also: Lookups, by: Sequence[str], *more: str
) -> Select:
    added = [f"CAST(sum({name}) AS bigint)" for name in SUMS]
    return _select(family.counts, told, also, by, [*added, *more], [*by, *SUMS])


def _histograms(
    family: Family, told: Sequence[Part], also: Lookups, by: Sequence[str], *before: str
) -> Select:
    joined = "string_agg(histogram, '')"
    if connection.vendor == "sqlite":  # it joins texts only
        joined = "histogram"
    columns = [*by, "histogram"]
    return _select(family.latencies, told, also, by, [*before, joined], columns)


def _select(
    models: Mapping[Step, type[Model]],
    told: Sequence[Part],
    also: Lookups,
    by: Sequence[str],
    wanted: Sequence[str],
    columns: Iterable[str],
    order: str = "",
) -> Select:
    """Rows of `by` and what is wanted of the columns, from all parts together."""
    params: list[Any] = []
    names = [*dict.fromkeys(columns)]
    rows = " UNION ALL ".join([_rows(models, part, names, also, params) for part in told or _NONE])
    shown = [_EPOCH[connection.vendor] if name == "at" else name for name in by]
    group = f" GROUP BY {', '.join(by)}" if by and wanted[-1] != "histogram" else ""
    sql = f"SELECT {', '.join([*shown, *wanted])} FROM ({rows}) AS told{group}{order}"  # noqa: S608 - our names
    return sql, params


def _fetched(*selects: Select) -> list[Row]:
    sql = " UNION ALL ".join([one for one, _ in selects])
    with connection.cursor() as cursor:
        cursor.execute(sql, [value for _, params in selects for value in params])
        rows: list[Row] = cursor.fetchall()
    return rows


def _rows(
    models: Mapping[Step, type[Model]],
    part: Part,
    names: Sequence[str],
    also: Lookups,
    params: list[Any],
) -> str:
    shown = ", ".join(names)
    if part.moment and "at" in names:
        shown = ", ".join("%s AS at" if name == "at" else name for name in names)
        params.append(_adapted(part.moment))
    conditions = [_condition(name, value, params) for name, value in (part.lookups | also).items()]
    table = models[part.step]._meta.db_table
    return f"SELECT {shown} FROM {table} WHERE {' AND '.join(conditions)}"  # noqa: S608 - our names


def _condition(lookup: str, value: Any, params: list[Any]) -> str:
    name, _, how = lookup.partition("__")
    if how == "in":
        params.extend(value)
        return f"{name} IN ({', '.join(['%s'] * len(value))})" if value else "1 = 0"
    params.append(_adapted(value))
    return f"{name} {_SIGNS[how]} %s"


def _adapted(value: Any) -> Any:
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value


_NONE = [Part(Step.DAY, {"at__in": ()})]
