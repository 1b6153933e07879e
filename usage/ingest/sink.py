"""Where calls go: one small interface, and the database behind it.

An analytical engine could take the calls through the same three verbs. `put` comes before the
commit that moves the writer's account, so what is put twice after a crash must be found by
`known` (or fall together there): rows are the same each time, and their id is their key.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Protocol
from uuid import UUID

import orjson
from django.db import IntegrityError, connection, models

from usage import partitions
from usage.ingest.kinds import OWN, SHARED, Row
from usage.models import Call

_UNIQUE_VIOLATION = "23505"


class AlreadyThere(Exception):
    """Some of the calls are stored already; nothing of them was put."""


class Sink(Protocol):
    """Takes calls, each once."""

    def make_room(self, days: set[date]) -> None:
        """Is told, outside of a transaction, the days (UTC) of the calls that come next."""

    def known(self, ids: Collection[str]) -> frozenset[str]:
        """Those of the ids that are stored."""

    def put(self, rows: Sequence[Row]) -> None:
        """Stores calls within the caller's transaction. Raises AlreadyThere, database errors."""


class Database:
    """The table of calls: COPY on PostgreSQL, a plain INSERT on SQLite."""

    def make_room(self, days: set[date]) -> None:
        if partitions.in_use():
            partitions.make_known(days)

    def known(self, ids: Collection[str]) -> frozenset[str]:
        if connection.vendor == "postgresql":
            sql, given = "= ANY(%s::uuid[])", f"{{{','.join(ids)}}}"
        else:
            sql = "IN (SELECT value FROM json_each(%s))"
            given = orjson.dumps([key.replace("-", "") for key in ids]).decode()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM {_TABLE} WHERE id {sql}", [given])  # noqa: S608 - ours
            return frozenset(str(UUID(str(key))) for (key,) in cursor.fetchall())

    def put(self, rows: Sequence[Row]) -> None:
        try:
            _copy(rows) if connection.vendor == "postgresql" else _insert(rows)
        except IntegrityError as error:
            if getattr(error.__cause__, "sqlstate", None) == _UNIQUE_VIOLATION:
                raise AlreadyThere from error
            raise


_TABLE = Call._meta.db_table
_COLUMNS = ("id", "started_at", *SHARED, *OWN)
_COPY = f"COPY {_TABLE} ({', '.join(_COLUMNS)}) FROM STDIN"
_AT_ONCE = 2000  # rows: the database takes them in while the next are put into words
_NUMBERS = [
    place
    for place, name in enumerate(OWN, 3)
    if not isinstance(Call._meta.get_field(name), models.CharField | models.TextField)
]
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _copy(rows: Sequence[Row]) -> None:
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(_COPY) as copy:
        for at in range(0, len(rows), _AT_ONCE):
            copy.write(_text(rows[at : at + _AT_ONCE]))


def _text(rows: Sequence[Row]) -> str:
    columns: list[Any] = list(zip(*rows, strict=True))
    kinds = {id(shared): shared for shared in columns[2]}
    texts = {key: "\t".join(map(_escaped, shared)) for key, shared in kinds.items()}
    columns[2] = map(texts.__getitem__, map(id, columns[2]))
    for place in _NUMBERS:
        columns[place] = map(str, columns[place])
    lines = list(map("\t".join, zip(*columns, strict=True)))
    text = "\n".join(lines)
    # Whatever would have to be escaped: a backslash, or a tab or newline too many.
    marks = len(rows) * len(_COLUMNS) - 1
    if "\\" in text or "\r" in text or text.count("\t") + text.count("\n") != marks:
        text = "\n".join(
            "\t".join([row[0], row[1], texts[id(row[2])], *map(_escaped, row[3:])]) for row in rows
        )
    return text + "\n"


def _escaped(value: object) -> str:
    return str(value).translate(_ESCAPES)


def _insert(rows: Sequence[Row]) -> None:
    whole = len(rows) // _IN_A_STATEMENT * _IN_A_STATEMENT
    # Not by a cursor of Django's, which would look for the holes of so long a statement each time.
    with connection.wrap_database_errors:
        for at in range(0, whole, _IN_A_STATEMENT):
            values = [value for row in rows[at : at + _IN_A_STATEMENT] for value in _flat(row)]
            if connection.connection.execute(_MANY, values).rowcount != _IN_A_STATEMENT:
                raise AlreadyThere
        rest = list(map(_flat, rows[whole:]))
        if connection.connection.executemany(_ONE, rest).rowcount != len(rest):
            raise AlreadyThere


def _flat(row: Row) -> tuple[Any, ...]:
    return (row[0].replace("-", ""), row[1], *row[2], *row[3:])


def _insert_of(rows: int) -> str:
    # An id that is there is passed over and missed: SQLite's own words for it name no constraint.
    one = f"({', '.join(['?'] * len(_COLUMNS))})"
    return (
        f"INSERT INTO {_TABLE} ({', '.join(_COLUMNS)}) "  # noqa: S608 - our names
        f"VALUES {', '.join([one] * rows)} ON CONFLICT (id) DO NOTHING"
    )


# Of many rows: SQLite then takes them in at a stretch, without Python's lock. Of one: the rest,
# or each number of rows would be a statement to be read and kept.
_IN_A_STATEMENT = 1000  # rows; times the columns, fewer than the values a statement may have
_MANY, _ONE = _insert_of(_IN_A_STATEMENT), _insert_of(1)


SINK: Sink = Database()
