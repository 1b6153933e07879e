"""Calls cut into days on PostgreSQL, and indexes to which new calls are appended on both.

The calls that are there are carried over. SQLite keeps its table.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import migrations, models

AHEAD = 3  # days
INDEXES = {
    "call_newest": ("application", "started_at", "id"),
    "call_app_key": ("app_key", "started_at", "id"),
    "call_provider_key": ("provider_key", "started_at", "id"),
    "call_age": ("started_at", "id"),
}


def cut(apps: Any, editor: Any) -> None:
    with editor.connection.cursor() as cursor:
        for name in INDEXES:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")
        if editor.connection.vendor == "postgresql":
            _partition(cursor)
        for name, columns in INDEXES.items():
            cursor.execute(f"CREATE INDEX {name} ON usage_call ({', '.join(columns)})")


def _partition(cursor: Any) -> None:
    cursor.execute("ALTER TABLE usage_call RENAME TO usage_call_whole")
    cursor.execute(
        "CREATE TABLE usage_call (LIKE usage_call_whole INCLUDING DEFAULTS, "
        "CONSTRAINT usage_call_key PRIMARY KEY (id, started_at)) PARTITION BY RANGE (started_at)"
    )
    cursor.execute(
        "SELECT DISTINCT CAST(date_trunc('day', started_at, 'UTC') AT TIME ZONE 'UTC' AS date) "
        "FROM usage_call_whole"
    )
    today = datetime.now(UTC).date()
    days = {day for (day,) in cursor.fetchall()}
    for day in sorted(days | {today + timedelta(days=ahead) for ahead in range(AHEAD + 1)}):
        cursor.execute(
            f"CREATE TABLE usage_call_{day:%Y%m%d} PARTITION OF usage_call "
            f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
        )
    cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'usage_call'::regclass "
                   "AND attnum > 0 AND NOT attisdropped ORDER BY attnum")
    columns = ", ".join(name for (name,) in cursor.fetchall())
    cursor.execute(
        f"INSERT INTO usage_call ({columns}) SELECT {columns} FROM usage_call_whole"  # noqa: S608 - our names
    )
    cursor.execute("DROP TABLE usage_call_whole")


class Migration(migrations.Migration):
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
        migrations.AddField(
            model_name="spoolwriter",
            name="late",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.CreateModel(
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
