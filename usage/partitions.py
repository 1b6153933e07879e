"""The days that PostgreSQL's table of calls is cut into: made ahead, dropped whole.

Neither stops ingest: a day is made beside the table and then attached, which waits for no
reader or writer, and is detached CONCURRENTLY before it is dropped. SQLite has one table.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction

from usage.models import Call

AHEAD = 3  # days
_TABLE = Call._meta.db_table
_NAME = re.compile(rf"{_TABLE}_(\d{{8}})")
_LOCK = 0x63616C6C  # "call": one at a time makes or drops days
_CHECK_VIOLATION = "23514"

_known: set[date] = set()  # attached when this process looked


def in_use() -> bool:
    """Whether the database cuts its calls into days."""
    return connection.vendor == "postgresql"


def existing() -> set[date]:
    """The days that are attached."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = %s::regclass AND NOT i.inhdetachpending",
            [_TABLE],
        )
        return set(_days(name for (name,) in cursor.fetchall()))


def make(days: Iterable[date]) -> None:
    """Makes the days that are missing, each in a transaction of its own."""
    for day in sorted(set(days) - existing()):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            if day not in existing():
                for statement in _made(day):
                    cursor.execute(statement)


@contextmanager
def beside(day: date) -> Iterator[str]:
    """The table to write many calls of a day into, in the caller's transaction.

    A day that isn't there yet is filled before it is attached: its indexes are then built at once.
    """
    if not in_use():
        yield _TABLE
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if day in existing():
            yield _TABLE
            return
        made, attached = _made(day)
        cursor.execute(made.replace("INCLUDING INDEXES", "EXCLUDING INDEXES"))
        yield f"{_TABLE}_{day:%Y%m%d}"
        cursor.execute(attached)


def make_known(days: set[date]) -> None:
    """The same, looking at the database only for days that this process has not met yet."""
    if not days <= _known:
        make(days)
        _known.update(days)


def forget() -> None:
    """What this process knows of days: one of them was dropped meanwhile."""
    _known.clear()


def is_missing(error: DatabaseError) -> bool:
    """Whether a row was refused because its day is not there (any more)."""
    cause: Any = error.__cause__
    if getattr(cause, "sqlstate", None) != _CHECK_VIOLATION:
        return False
    return cause.diag.constraint_name is None


def make_ahead(now: datetime) -> None:
    """Makes today and the next days, so that ingest finds them."""
    today = now.astimezone(UTC).date()
    make(today + timedelta(days=ahead) for ahead in range(AHEAD + 1))


def drop_before(day: date) -> int:
    """Drops the days before a day; returns how many. What a crash left half dropped goes too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false) "
            "FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid "
            "WHERE c.relkind = 'r' AND c.relname LIKE %s AND pg_table_is_visible(c.oid)",
            [f"{_TABLE}_%"],
        )
        old = [row for row in cursor.fetchall() if any(there < day for there in _days([row[0]]))]
        for name, attached, pending in sorted(old):
            if pending:
                cursor.execute(f"ALTER TABLE {_TABLE} DETACH PARTITION {name} FINALIZE")
            elif attached:
                # Not to be had inside a transaction; there the caller holds up whom it likes.
                how = "" if connection.in_atomic_block else "CONCURRENTLY"
                cursor.execute(f"ALTER TABLE {_TABLE} DETACH PARTITION {name} {how}")
            cursor.execute(f"DROP TABLE {name}")
    return len(old)


def _days(names: Iterable[str]) -> Iterable[date]:
    for name in names:
        if found := _NAME.fullmatch(name):
            yield datetime.strptime(found[1], "%Y%m%d").date()


def _made(day: date) -> list[str]:
    # CREATE TABLE … PARTITION OF would lock the whole table; the check spares ATTACH its scan.
    name = f"{_TABLE}_{day:%Y%m%d}"
    since, until = f"{day} 00:00+00", f"{day + timedelta(days=1)} 00:00+00"
    return [
        f"CREATE TABLE {name} (LIKE {_TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS "
        f"INCLUDING INDEXES, "
        f"CHECK (started_at >= '{since}' AND started_at < '{until}'))",
        f"ALTER TABLE {_TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{since}') TO ('{until}')",
    ]
