"""Bulk SQL that Django's ORM has no word for: insert and learn what was new, add to counts.

PostgreSQL takes whole columns by `unnest`; SQLite takes rows one by one inside the transaction,
which costs nothing there.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson
from django.db import connection, models

Row = Sequence[Any]


def insert_new(model: type[models.Model], names: Sequence[str], rows: list[Row]) -> set[Any]:
    """Inserts rows whose first column (the primary key) is not there yet; returns those keys.

    Must run inside a transaction. Keys are of the type given.
    """
    if not rows:
        return set()
    if connection.vendor == "postgresql":
        return _insert_new_postgresql(model, names, rows)
    return _insert_new_sqlite(model, names, rows)


def add(
    model: type[models.Model], key: Sequence[str], sums: Sequence[str], rows: Iterable[Row]
) -> None:
    """Adds counts to the rows of these keys, making those that are missing.

    Rows go in the order of their keys, so that two writers never wait for each other in a ring.
    """
    ordered = sorted(rows, key=lambda row: tuple(row[: len(key)]))
    if not ordered:
        return
    table = _quote(model._meta.db_table)
    names = [*key, *sums]
    more = ", ".join(f"{_quote(n)} = {table}.{_quote(n)} + excluded.{_quote(n)}" for n in sums)
    conflict = f"ON CONFLICT ({_columns(key)}) DO UPDATE SET {more}"
    if connection.vendor == "postgresql":
        _unnest(model, names, ordered, conflict)
    else:
        holes = ", ".join(["%s"] * len(names))
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {table} ({_columns(names)}) VALUES ({holes}) {conflict}",  # noqa: S608 - names of our models
                _adapted(model, names, ordered),
            )


def delete_before(model: type[models.Model], name: str, before: datetime, limit: int) -> int:
    """Deletes at most `limit` rows whose time `name` is before a time; returns how many."""
    table, column = _quote(model._meta.db_table), _quote(name)
    row = "ctid" if connection.vendor == "postgresql" else "rowid"
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE {row} IN "  # noqa: S608 - names of our models
            f"(SELECT {row} FROM {table} WHERE {column} < %s ORDER BY {column} LIMIT {limit:d})",
            [connection.ops.adapt_datetimefield_value(before)],
        )
        return int(cursor.rowcount)


def _insert_new_postgresql(
    model: type[models.Model], names: Sequence[str], rows: list[Row]
) -> set[Any]:
    conflict = f"ON CONFLICT DO NOTHING RETURNING {_quote(names[0])}"
    return {key for (key,) in _unnest(model, names, rows, conflict)}


def _insert_new_sqlite(
    model: type[models.Model], names: Sequence[str], rows: list[Row]
) -> set[Any]:
    # The transaction is IMMEDIATE: nobody writes between the look and the insert.
    table, key = _quote(model._meta.db_table), _quote(names[0])
    adapted = _adapted(model, names, rows)
    holes = ", ".join(["%s"] * len(names))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {key} FROM {table} WHERE {key} IN (SELECT value FROM json_each(%s))",  # noqa: S608 - names of our models
            [orjson.dumps([row[0] for row in adapted]).decode()],
        )
        known = {found for (found,) in cursor.fetchall()}
        cursor.executemany(
            f"INSERT INTO {table} ({_columns(names)}) VALUES ({holes})",  # noqa: S608 - names of our models
            [row for row in adapted if row[0] not in known],
        )
    return {given[0] for given, row in zip(rows, adapted, strict=True) if row[0] not in known}


def _unnest(
    model: type[models.Model], names: Sequence[str], rows: Sequence[Row], conflict: str
) -> list[tuple[Any, ...]]:
    arrays = ", ".join(f"%s::{_array_type(model, name)}[]" for name in names)
    sql = (
        f"INSERT INTO {_quote(model._meta.db_table)} ({_columns(names)}) "  # noqa: S608 - names of our models
        f"SELECT * FROM unnest({arrays}) {conflict}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])
        return cursor.fetchall() if cursor.description else []


def _array_type(model: type[models.Model], name: str) -> str:
    field = model._meta.get_field(name)
    # A cast to varchar(n) would cut a long value in silence; text is refused by the column.
    if isinstance(field, models.CharField | models.TextField):
        return "text"
    return str(field.db_type(connection))


def _adapted(
    model: type[models.Model], names: Sequence[str], rows: Iterable[Row]
) -> list[list[Any]]:
    """Rows as SQLite stores them (and as Django reads them back)."""
    adapters: list[tuple[int, Callable[[Any], Any]]] = []
    for index, name in enumerate(names):
        field = model._meta.get_field(name)
        if isinstance(field, models.DateTimeField):
            adapters.append((index, _as_text))
        elif isinstance(field, models.UUIDField):
            adapters.append((index, attrgetter("hex")))
    adapted = [list(row) for row in rows]
    for row in adapted:
        for index, adapt in adapters:
            row[index] = adapt(row[index])
    return adapted


@lru_cache(maxsize=4096)
def _as_text(at: datetime) -> str:
    """A UTC time as Django's SQLite backend writes it."""
    return at.isoformat(" ").removesuffix("+00:00")


def _columns(names: Sequence[str]) -> str:
    return ", ".join(_quote(name) for name in names)


def _quote(name: str) -> str:
    return connection.ops.quote_name(name)
