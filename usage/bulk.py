"""Bulk SQL that Django's ORM has no word for: add to counts, raise times, delete the oldest.

PostgreSQL takes whole columns by `unnest`; SQLite takes rows one by one inside the transaction,
which costs nothing there.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection, models

Row = Sequence[Any]


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


def raise_times(
    model: type[models.Model], name: str, key: Sequence[str], rows: Iterable[Row]
) -> None:
    """Sets the time `name` of rows to the later of what is there and what is given.

    Rows are the values of `key`, then the time. They are locked in the order of their keys,
    whether they change or not.
    """
    ordered = sorted(map(tuple, rows))
    if not ordered:
        return
    table, column = _quote(model._meta.db_table), _quote(name)
    if connection.vendor == "postgresql":
        joined = " AND ".join(f"k.{_quote(n)} = v.{_quote(n)}" for n in key)
        mine = " AND ".join(f"{table}.{_quote(n)} = held.{_quote(n)}" for n in key)
        keys = ", ".join(f"k.{_quote(n)}" for n in key)
        arrays = ", ".join(f"%s::{_array_type(model, n)}[]" for n in (*key, name))
        sql = (
            f"WITH held AS (SELECT {keys}, v.{column} FROM {table} k "  # noqa: S608 - names of our models
            f"JOIN unnest({arrays}) AS v ({_columns((*key, name))}) ON {joined} "
            f"ORDER BY {keys} FOR NO KEY UPDATE OF k) "
            f"UPDATE {table} SET {column} = greatest({table}.{column}, held.{column}) "
            f"FROM held WHERE {mine}"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [array_of(column) for column in zip(*ordered, strict=True)])
        return
    same = " AND ".join(f"{_quote(n)} = %s" for n in key)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table} SET {column} = max(coalesce({column}, %s), %s) WHERE {same}",  # noqa: S608 - names of our models
            [(_as_text(row[-1]), _as_text(row[-1]), *row[:-1]) for row in ordered],
        )


def array_of(values: Sequence[Any]) -> str:
    """Texts or whole numbers as PostgreSQL's literal of an array: quicker made than adapted."""
    if not values:
        return "{}"
    if not isinstance(values[0], str):
        return f"{{{','.join(map(str, values))}}}"
    joined = "\0".join(values)
    if '"' in joined or "\\" in joined:
        joined = joined.replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + joined.replace("\0", '","') + '"}'


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


def _unnest(
    model: type[models.Model], names: Sequence[str], rows: Sequence[Row], conflict: str
) -> None:
    arrays = ", ".join(f"%s::{_array_type(model, name)}[]" for name in names)
    sql = (
        f"INSERT INTO {_quote(model._meta.db_table)} ({_columns(names)}) "  # noqa: S608 - names of our models
        f"SELECT * FROM unnest({arrays}) {conflict}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])


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
    fields = [model._meta.get_field(name) for name in names]
    times = [isinstance(field, models.DateTimeField) for field in fields]
    return [
        [_as_text(value) if is_time else value for value, is_time in zip(row, times, strict=True)]
        for row in rows
    ]


@lru_cache(maxsize=4096)
def _as_text(at: datetime) -> str:
    """A UTC time as Django's SQLite backend writes it."""
    return at.isoformat(" ").removesuffix("+00:00")


def _columns(names: Sequence[str]) -> str:
    return ", ".join(_quote(name) for name in names)


def _quote(name: str) -> str:
    return connection.ops.quote_name(name)
