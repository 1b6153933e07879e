"""Calls cut into days on PostgreSQL, and indexes to which new calls are appended on both.

The calls that are there are carried over. SQLite keeps its table.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import migrations, models

from usage.migrations._again import AddField, CreateModel, moment, tables, whole

_WHOLE = "usage_call_whole"
AHEAD = 3  # days
INDEXES = {
    "call_newest": ("application", "started_at", "id"),
    "call_app_key": ("app_key", "started_at", "id"),
    "call_provider_key": ("provider_key", "started_at", "id"),
    "call_age": ("started_at", "id"),
}


def cut(apps: Any, editor: Any) -> None:
    connection = editor.connection
    if connection.vendor == "postgresql":
        _partition(connection)
    for name, columns in INDEXES.items():
        with whole(connection), connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")
            cursor.execute(f"CREATE INDEX {name} ON usage_call ({', '.join(columns)})")


def _partition(connection: Any) -> None:
    """Beside the old table, which is emptied day by day: what was moved stays moved."""
    if _WHOLE not in tables(connection) and not _is_cut(connection):
        with whole(connection), connection.cursor() as cursor:
            for name in INDEXES:
                cursor.execute(f"DROP INDEX IF EXISTS {name}")
            cursor.execute(f"ALTER TABLE usage_call RENAME TO {_WHOLE}")
            cursor.execute(
                f"CREATE TABLE usage_call (LIKE {_WHOLE} INCLUDING DEFAULTS, CONSTRAINT "
                "usage_call_key PRIMARY KEY (id, started_at)) PARTITION BY RANGE (started_at)"
            )
    if _WHOLE in tables(connection):
        _move(connection)
    today = datetime.now(UTC).date()
    with whole(connection), connection.cursor() as cursor:
        for ahead in range(AHEAD + 1):
            _make_day(cursor, today + timedelta(days=ahead))


def _is_cut(connection: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = 'usage_call'::regclass")
        return bool(cursor.fetchone()[0])


def _move(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX IF NOT EXISTS call_moving ON {_WHOLE} (started_at)")
        cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'usage_call'::regclass "
                       "AND attnum > 0 AND NOT attisdropped ORDER BY attnum")
        columns = ", ".join(name for (name,) in cursor.fetchall())
    at = datetime(1970, 1, 1, tzinfo=UTC)
    while (day := _first_day(connection, at)) is not None:
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        with whole(connection), connection.cursor() as cursor:
            _make_day(cursor, day)
            cursor.execute(
                f"WITH moved AS (DELETE FROM {_WHOLE} WHERE started_at >= %s AND started_at < %s "  # noqa: S608 - our names
                f"RETURNING {columns}) INSERT INTO usage_call ({columns}) SELECT {columns} "
                "FROM moved ON CONFLICT DO NOTHING",
                [at - timedelta(days=1), at],
            )
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {_WHOLE}")


def _first_day(connection: Any, since: datetime) -> date | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT min(started_at) FROM {_WHOLE} WHERE started_at >= %s",  # noqa: S608 - our names
            [since],
        )
        found = moment(connection, cursor.fetchone()[0])
    return found.date() if found else None


def _make_day(cursor: Any, day: date) -> None:
    cursor.execute(
        f"CREATE TABLE IF NOT EXISTS usage_call_{day:%Y%m%d} PARTITION OF usage_call "
        f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
    )


class Migration(migrations.Migration):
    atomic = False  # moved day by day; cut off, it goes on where it was
    dependencies = [("usage", "0005_families_of_counts")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(cut)],
            state_operations=[
                *(migrations.RemoveIndex("call", name) for name in INDEXES),
                *(
                    migrations.AddIndex("call", models.Index(fields=list(columns), name=name))
                    for name, columns in INDEXES.items()
                ),
            ],
        ),
        AddField(
            model_name="spoolwriter",
            name="late",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        CreateModel(
            name="Comparison",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("checked_at", models.DateTimeField()),
                ("calls", models.BigIntegerField()),
                ("differences", models.BigIntegerField()),
                ("first", models.TextField(blank=True)),
            ],
        ),
    ]
