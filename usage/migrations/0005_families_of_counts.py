"""Counts by key, by endpoint and by caller, each in tables of their own.

What was counted before is carried over: from the calls where they are all kept, else from the
counts, which knew neither version nor caller nor how long calls took together (told as 0 and "").
"""

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby, islice
from typing import Any

from django.db import migrations, models

from usage.migrations._again import create, delete, moment, tables, told, whole

KEY = ("application", "app_key", "app_key_version", "provider", "provider_key")
KEY += ("provider_key_version", "outcome", "status")
ENDPOINT = ("application", "app_key", "provider", "provider_key", "endpoint", "outcome", "status")
CALLER = ("application", "app_key", "caller", "outcome")
KEY_LATENCY = ("application", "app_key", "provider", "provider_key")
ENDPOINT_LATENCY = (*KEY_LATENCY, "endpoint")
SUMS = ("requests", "latency_us", "bytes_in", "bytes_out", "tokens_in", "tokens_out", "cost_nanos")
SIZES = SUMS[2:]
STEPS = ("minute", "hour", "day")
# What is carried at once: as much as there is at most in so long a time.
WIDTHS = {"minute": timedelta(hours=1), "hour": timedelta(days=1), "day": timedelta(days=1)}
OLD = [f"{step.title()}{kind}" for step in STEPS for kind in ("Rollup", "Latency")]

COLUMNS: dict[str, Any] = {
    "at": models.DateTimeField(),
    "application": models.CharField(max_length=12),
    "app_key": models.CharField(max_length=12),
    "app_key_version": models.PositiveIntegerField(default=0),
    "provider": models.CharField(max_length=50),
    "provider_key": models.CharField(max_length=12),
    "provider_key_version": models.PositiveIntegerField(default=0),
    "endpoint": models.CharField(max_length=200),
    "caller": models.CharField(max_length=100),
    "outcome": models.CharField(max_length=14),
    "status": models.PositiveIntegerField(),
    "histogram": models.BinaryField(),
    **{name: models.BigIntegerField(default=0) for name in SUMS},
}


def _made(name: str, key: tuple[str, ...], sums: tuple[str, ...]) -> migrations.CreateModel:
    primary = ("app_key", "at", *(column for column in key if column != "app_key"))
    indexes = [
        models.Index(fields=["application", "at"], name=f"{name.lower()}_a"),
        models.Index(fields=["at"], name=f"{name.lower()}_at"),
    ]
    if "provider_key" in key:
        indexes.append(models.Index(fields=["provider_key", "at"], name=f"{name.lower()}_pk"))
    return migrations.CreateModel(
        name=name,
        fields=[
            *((column, COLUMNS[column].clone()) for column in ("at", *key, *sums)),
            ("pk", models.CompositePrimaryKey(*primary, serialize=False)),
        ],
        options={"abstract": False, "indexes": indexes},
    )


def _tables() -> list[migrations.CreateModel]:
    made = []
    for step in ("Minute", "Hour", "Day"):
        made.append(_made(f"Key{step}", KEY, SUMS))
        made.append(_made(f"Key{step}Latency", KEY_LATENCY, ("histogram",)))
        made.append(_made(f"Endpoint{step}", ENDPOINT, SUMS))
        made.append(_made(f"Endpoint{step}Latency", ENDPOINT_LATENCY, ("histogram",)))
        if step != "Minute":
            made.append(_made(f"Caller{step}", CALLER, SUMS))
    return made


def make(apps: Any, editor: Any) -> None:
    for model in _tables():
        create(editor, apps.get_model("usage", model.name))
        if editor.connection.vendor == "postgresql":
            with editor.connection.cursor() as cursor:
                # Rows that grow stay in their page, without a word to their indexes.
                cursor.execute(f"ALTER TABLE usage_{model.name.lower()} SET (fillfactor = 80)")


def drop(apps: Any, editor: Any) -> None:
    for name in OLD:
        delete(editor, apps.get_model("usage", name))


def carry(apps: Any, editor: Any) -> None:
    there = tables(editor.connection)
    for step in STEPS:
        # What isn't there any more was carried over before the migration was cut off.
        if f"usage_{step}rollup" in there:
            _carry_counts(editor.connection, step)
        if f"usage_{step}latency" in there:
            for family, key in (("key", KEY_LATENCY), ("endpoint", ENDPOINT_LATENCY)):
                _carry_latency(editor.connection, step, f"usage_{family}{step}latency", ("at", *key))


def _carry_counts(connection: Any, step: str) -> None:
    old = f"usage_{step}rollup"
    kept = _asked(connection, "SELECT min(calls_before) FROM usage_trimmed")
    oldest = _asked(connection, f"SELECT min(at) FROM {old}")  # noqa: S608 - our names
    if oldest is None:
        return
    border = told(connection, max(kept, oldest) if kept else oldest)
    families = [("key", KEY), ("endpoint", ENDPOINT), ("caller", CALLER)]
    for family, key in families if step != "minute" else families[:2]:
        table = f"usage_{family}{step}"
        from_counts, from_calls = _carrying(step, family, key, connection.vendor)
        firsts = [
            (f"SELECT min(at) FROM {old} WHERE at >= %s AND at < %s", [border]),  # noqa: S608 - our names
            ("SELECT min(started_at) FROM usage_call WHERE started_at >= %s AND started_at >= %s", [border]),
        ]
        for since, until in _parts(connection, step, table, firsts):
            with whole(connection), connection.cursor() as cursor:
                _empty(cursor, table, since, until)
                cursor.execute(from_counts, [since, until, border])
                cursor.execute(from_calls, [since, until, border])


def _carry_latency(connection: Any, step: str, table: str, key: tuple[str, ...]) -> None:
    """Buckets that were rows, into one row each."""
    old, columns = f"usage_{step}latency", ", ".join(key)
    holes = ", ".join(["%s"] * (len(key) + 1))
    first = (f"SELECT min(at) FROM {old} WHERE at >= %s", [])  # noqa: S608 - our names
    for since, until in _parts(connection, step, table, [first]):
        with whole(connection), connection.cursor() as reader, connection.cursor() as cursor:
            _empty(cursor, table, since, until)
            reader.execute(
                f"SELECT {columns}, bucket, sum(requests) FROM {old} "  # noqa: S608 - our names
                f"WHERE at >= %s AND at < %s GROUP BY {columns}, bucket ORDER BY {columns}, bucket",
                [since, until],
            )
            rows = _packed(iter(lambda: reader.fetchmany(1000), []), len(key))
            while some := list(islice(rows, 1000)):
                cursor.executemany(
                    f"INSERT INTO {table} ({columns}, histogram) VALUES ({holes})",  # noqa: S608 - our names
                    some,
                )


def _packed(pages: Iterable[list[Any]], width: int) -> Iterator[tuple[Any, ...]]:
    rows = chain.from_iterable(pages)
    for place, buckets in groupby(rows, key=lambda row: tuple(row[:width])):
        yield (*place, b"".join(struct.pack("<BI", row[-2], int(row[-1])) for row in buckets))


def _parts(connection: Any, step: str, table: str, firsts: list[Any]) -> Iterator[Any]:
    """Beginnings and ends of the pieces of time in which there is something to carry, to be carried
    whole. `firsts` find the first time from a time on.

    A piece that another run left whole is passed over; the last of those is made anew.
    """
    width = WIDTHS[step]
    done = _asked(connection, f"SELECT max(at) FROM {table}")  # noqa: S608 - our names
    at = _floor(done, width) if done else datetime(1970, 1, 1, tzinfo=UTC)
    while True:
        found = [_asked(connection, sql, [told(connection, at), *more]) for sql, more in firsts]
        if not any(found):
            return
        since = _floor(min(filter(None, found)), width)
        at = since + width
        yield told(connection, since), told(connection, at)


def _empty(cursor: Any, table: str, since: Any, until: Any) -> None:
    cursor.execute(f"DELETE FROM {table} WHERE at >= %s AND at < %s", [since, until])  # noqa: S608 - our names


def _floor(at: datetime, width: timedelta) -> datetime:
    return at - (at - datetime(1970, 1, 1, tzinfo=UTC)) % width


def _asked(connection: Any, sql: str, params: Any = ()) -> datetime | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return moment(connection, cursor.fetchone()[0])


def _carrying(step: str, family: str, key: tuple[str, ...], vendor: str) -> tuple[str, str]:
    """From counts and from calls. Both take a piece of time, and from when on calls count."""
    table = f"usage_{family}{step}"
    known = [column for column in key if not column.endswith("_version") and column != "caller"]
    unknown = {"caller": "''"}
    names = [column if column in known else unknown.get(column, "0") for column in key]
    sums = ["sum(requests)", "0", *(f"sum({size})" for size in SIZES)]
    from_counts = (
        f"INSERT INTO {table} (at, {', '.join([*key, *SUMS])}) "
        f"SELECT at, {', '.join([*names, *sums])} FROM usage_{step}rollup "
        f"WHERE at >= %s AND at < %s AND at < %s GROUP BY at, {', '.join(known)}"
    )
    start, microseconds = _start(step, vendor), _microseconds(vendor)
    sums = ["count(*)", f"sum({microseconds})", *(f"sum({size})" for size in SIZES)]
    from_calls = (
        f"INSERT INTO {table} (at, {', '.join([*key, *SUMS])}) "
        f"SELECT {start}, {', '.join([*key, *sums])} FROM usage_call "
        f"WHERE started_at >= %s AND started_at < %s AND started_at >= %s "
        f"GROUP BY {start}, {', '.join(key)}"
    )
    return from_counts, from_calls


def _start(step: str, vendor: str) -> str:
    if vendor == "postgresql":
        return f"date_trunc('{step}', started_at, 'UTC')"
    width, rest = {"minute": (16, ":00"), "hour": (13, ":00:00"), "day": (10, " 00:00:00")}[step]
    return f"substr(started_at, 1, {width}) || '{rest}'"


def _microseconds(vendor: str) -> str:
    return f"CAST({'trunc' if vendor == 'postgresql' else ''}(latency_ms * 1000) AS bigint)"


class Migration(migrations.Migration):
    atomic = False  # carried over in parts; cut off, it goes on where it was
    dependencies = [("usage", "0004_cost")]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=_tables()),
        migrations.RunPython(make),
        migrations.RunPython(carry),
        migrations.RunPython(drop),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.DeleteModel(name) for name in OLD]
        ),
    ]
