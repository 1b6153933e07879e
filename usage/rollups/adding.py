"""Cells added to all tables of counts: handed to the database once, and folded there.

The database sums cells up by each family and step itself, in its own process or outside of
Python's lock. PostgreSQL takes them as arrays in one statement; SQLite as a table of the
connection's own.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from django.db import connection

from usage.bulk import array_of
from usage.models import KeyMinute
from usage.rollups.families import Table, tables
from usage.rollups.spreading import increment_histograms
from usage.rollups.tally import DIMENSIONS, Cell

_SUMS = KeyMinute.SUMS
_NUMBERS = ("app_key_version", "provider_key_version", "status")
_CELLS = ("minute", *DIMENSIONS, *_SUMS)


def increment(cells: Collection[Cell]) -> None:
    """Adds what the cells hold to all tables, within the caller's transaction."""
    rows = [(cell.minute, *cell.dimensions, *cell.sums) for cell in cells if cell.sums[0]]
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_postgresql(), [array_of(column) for column in zip(*rows, strict=True)])
        else:
            _add_sqlite(cursor, rows)
    increment_histograms(cells)


def _add_sqlite(cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    columns, holes = ", ".join(_CELLS), ", ".join(["%s"] * len(_CELLS))
    cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS cells ({columns})")
    cursor.execute("DELETE FROM temp.cells")
    cursor.executemany(f"INSERT INTO temp.cells ({columns}) VALUES ({holes})", rows)  # noqa: S608 - our names
    for statement in _sqlite():
        cursor.execute(statement)


@cache
def _postgresql() -> str:
    cells = ", ".join(f"%s::{_type(name)}[]" for name in _CELLS)
    *others, last = (_upsert(table, "to_timestamp({})") for table in _counts())
    parts = [
        f"cells AS MATERIALIZED (SELECT * FROM unnest({cells}) AS c ({', '.join(_CELLS)}))",  # noqa: S608 - our names
        *(f"t{number} AS ({statement})" for number, statement in enumerate(others)),
    ]
    return f"WITH {', '.join(parts)} {last}"


@cache
def _sqlite() -> list[str]:
    return [_upsert(table, "datetime({}, 'unixepoch')") for table in _counts()]


def _counts() -> list[Table]:
    return [table for table in tables() if not table.histogram]


def _upsert(table: Table, clock: str) -> str:
    """Adds the cells to one table; `clock` turns epoch seconds into a time.

    Rows go in the order of their keys, so that two writers never wait for each other in a ring.
    """
    model, minutes = table.model, table.step.seconds // 60
    name, key = model._meta.db_table, model.KEY[1:]
    primary = [field.attname for field in model._meta.pk_fields]
    at = clock.format(f"minute / {minutes} * {minutes * 60}")
    sums = [f"sum({column})" for column in _SUMS]
    more = ", ".join(f"{column} = {name}.{column} + excluded.{column}" for column in _SUMS)
    order = ", ".join(str(2 + key.index(column)) if column != "at" else "1" for column in primary)
    return (
        f"INSERT INTO {name} (at, {', '.join([*key, *_SUMS])}) "  # noqa: S608 - our names
        f"SELECT {', '.join([at, *key, *sums])} FROM cells WHERE true "
        f"GROUP BY {', '.join(str(place) for place in range(1, len(key) + 2))} ORDER BY {order} "
        f"ON CONFLICT ({', '.join(primary)}) DO UPDATE SET {more}"
    )


def _type(name: str) -> str:
    if name in _NUMBERS:
        return "integer"
    return "bigint" if name == "minute" or name in _SUMS else "text"
