"""Histograms added to their tables: read, merged and written, as no database adds them up.

On PostgreSQL one drainer at a time does so; the others' rows wait for the same few anyway. On
SQLite the transaction is exclusive as it is.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.db import connection

from usage.bulk import array_of
from usage.rollups.families import FAMILIES, Table, tables
from usage.rollups.histogram import merged, packed
from usage.rollups.tally import Cell, coarser, dated, spread_of, united

_LOCK = 0x68697374  # "hist"
Row = tuple[Any, ...]


def increment_histograms(cells: Iterable[Cell]) -> None:
    """Within the caller's transaction."""
    found: dict[Any, list[Row]] = {}
    for family in FAMILIES:
        spread = spread_of(cells, family) if family.latencies else {}
        for step, model in family.latencies.items():
            spread = coarser(spread, step, united)
            if spread:
                found[model] = dated((*key, packed(there)) for key, there in spread.items())
    if not found:
        return
    if connection.vendor == "postgresql":
        _add_postgresql(found)
    else:
        _add_sqlite(found)


def _add_sqlite(found: dict[Any, list[Row]]) -> None:
    connection.ensure_connection()
    connection.connection.create_function("merged", 2, merged, deterministic=True)
    with connection.cursor() as cursor:
        for table in _histograms():
            rows = [(f"{at:%Y-%m-%d %H:%M:%S}", *rest) for at, *rest in found[table.model]]
            cursor.executemany(_sqlite(table), rows)


def _add_postgresql(found: dict[Any, list[Row]]) -> None:
    columns = {model: [*zip(*rows, strict=True)] for model, rows in found.items()}
    keys = [array_of(column) for t in _histograms() for column in columns[t.model][:-1]]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(_present(), keys)
        there: dict[tuple[int, int], bytes] = {}
        for place, number, histogram in cursor.fetchall():
            there[place, number] = bytes(histogram)
        given: list[str] = []
        for place, table in enumerate(_histograms()):
            *key, histograms = columns[table.model]
            whole = [
                merged(there[place, number], one) if (place, number) in there else one
                for number, one in enumerate(histograms, 1)
            ]
            given += [*map(array_of, key), array_of(["\\x" + one.hex() for one in whole])]
        cursor.execute(_postgresql(), given)


@cache
def _histograms() -> list[Table]:
    return [table for table in tables() if table.histogram]


def _sqlite(table: Table) -> str:
    model = table.model
    name, primary = model._meta.db_table, ", ".join(f.attname for f in model._meta.pk_fields)
    return (
        f"INSERT INTO {name} ({', '.join(model.KEY)}, histogram) "  # noqa: S608 - our names
        f"VALUES ({', '.join(['%s'] * (len(model.KEY) + 1))}) ON CONFLICT ({primary}) "
        f"DO UPDATE SET histogram = merged({name}.histogram, excluded.histogram)"
    )


@cache
def _present() -> str:
    """What is there of the rows to be written: place of the table, number of the row."""
    found = []
    for place, table in enumerate(_histograms()):
        key = table.model.KEY
        same = " AND ".join(f"t.{column} = v.{column}" for column in key)
        found.append(
            f"SELECT {place}, v.no, t.histogram FROM unnest({_arrays(key)}) "  # noqa: S608 - our names
            f"WITH ORDINALITY AS v ({', '.join(key)}, no) "
            f"JOIN {table.model._meta.db_table} t ON {same}"
        )
    return " UNION ALL ".join(found)


@cache
def _postgresql() -> str:
    found = []
    for table in _histograms():
        key, primary = table.model.KEY, [f.attname for f in table.model._meta.pk_fields]
        found.append(
            f"INSERT INTO {table.model._meta.db_table} ({', '.join(key)}, histogram) "  # noqa: S608 - our names
            f"SELECT * FROM unnest({_arrays(key)}, %s::bytea[]) "
            f"ON CONFLICT ({', '.join(primary)}) DO UPDATE SET histogram = excluded.histogram"
        )
    *others, last = found
    parts = [f"t{number} AS ({statement})" for number, statement in enumerate(others)]
    return f"WITH {', '.join(parts)} {last}"


def _arrays(key: Iterable[str]) -> str:
    return ", ".join("%s::timestamptz[]" if name == "at" else "%s::text[]" for name in key)
