"""Counts by key, by endpoint and by caller, each in tables of their own.

What was counted before is carried over: from the calls where they are all kept, else from the
counts, which knew neither version nor caller nor how long calls took together (told as 0 and "").
"""

import struct
from typing import Any

from django.db import migrations, models

KEY = ("application", "app_key", "app_key_version", "provider", "provider_key")
KEY += ("provider_key_version", "outcome", "status")
ENDPOINT = ("application", "app_key", "provider", "provider_key", "endpoint", "outcome", "status")
CALLER = ("application", "app_key", "caller", "outcome")
KEY_LATENCY = ("application", "app_key", "provider", "provider_key")
ENDPOINT_LATENCY = (*KEY_LATENCY, "endpoint")
SUMS = ("requests", "latency_us", "bytes_in", "bytes_out", "tokens_in", "tokens_out", "cost_nanos")
SIZES = SUMS[2:]
STEPS = ("minute", "hour", "day")

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


def carry(apps: Any, editor: Any) -> None:
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT min(calls_before) FROM usage_trimmed")
        (kept,) = cursor.fetchone()
        for step in STEPS:
            cursor.execute(f"SELECT min(at) FROM usage_{step}rollup")  # noqa: S608 - our names
            (oldest,) = cursor.fetchone()
            if oldest is not None:
                border = max(kept, oldest) if kept else oldest
                for statement in _carrying(step, editor.connection.vendor):
                    cursor.execute(statement, [border])
            for family, key in (("key", KEY_LATENCY), ("endpoint", ENDPOINT_LATENCY)):
                _pack(cursor, step, f"usage_{family}{step}latency", ("at", *key))
        if editor.connection.vendor == "postgresql":
            for model in _tables():
                # Rows that grow stay in their page, without a word to their indexes.
                cursor.execute(f"ALTER TABLE usage_{model.name.lower()} SET (fillfactor = 80)")


def _pack(cursor: Any, step: str, table: str, key: tuple[str, ...]) -> None:
    """Buckets that were rows, into one row each."""
    columns = ", ".join(key)
    cursor.execute(
        f"SELECT {columns}, bucket, sum(requests) FROM usage_{step}latency "  # noqa: S608 - our names
        f"GROUP BY {columns}, bucket ORDER BY {columns}, bucket"
    )
    found: dict[tuple[Any, ...], bytes] = {}
    for *place, bucket, requests in cursor.fetchall():
        there = found.get(tuple(place), b"")
        found[tuple(place)] = there + struct.pack("<BI", bucket, int(requests))
    holes = ", ".join(["%s"] * (len(key) + 1))
    cursor.executemany(
        f"INSERT INTO {table} ({columns}, histogram) VALUES ({holes})",  # noqa: S608 - our names
        [(*place, packed) for place, packed in found.items()],
    )


def _carrying(step: str, vendor: str) -> list[str]:
    """Statements, each of which takes the time from which on calls are counted anew."""
    found = []
    families = [("key", KEY), ("endpoint", ENDPOINT), ("caller", CALLER)]
    for family, key in families if step != "minute" else families[:2]:
        table = f"usage_{family}{step}"
        known = [column for column in key if not column.endswith("_version") and column != "caller"]
        unknown = {"caller": "''"}
        told = [column if column in known else unknown.get(column, "0") for column in key]
        sums = ["sum(requests)", "0", *(f"sum({size})" for size in SIZES)]
        found.append(
            f"INSERT INTO {table} (at, {', '.join([*key, *SUMS])}) "
            f"SELECT at, {', '.join([*told, *sums])} FROM usage_{step}rollup "
            f"WHERE at < %s GROUP BY at, {', '.join(known)}"
        )
        start, microseconds = _start(step, vendor), _microseconds(vendor)
        sums = ["count(*)", f"sum({microseconds})", *(f"sum({size})" for size in SIZES)]
        found.append(
            f"INSERT INTO {table} (at, {', '.join([*key, *SUMS])}) "
            f"SELECT {start}, {', '.join([*key, *sums])} FROM usage_call "
            f"WHERE started_at >= %s GROUP BY {start}, {', '.join(key)}"
        )
    return found


def _start(step: str, vendor: str) -> str:
    if vendor == "postgresql":
        return f"date_trunc('{step}', started_at, 'UTC')"
    width, rest = {"minute": (16, ":00"), "hour": (13, ":00:00"), "day": (10, " 00:00:00")}[step]
    return f"substr(started_at, 1, {width}) || '{rest}'"


def _microseconds(vendor: str) -> str:
    return f"CAST({'trunc' if vendor == 'postgresql' else ''}(latency_ms * 1000) AS bigint)"


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_cost")]

    operations = [
        *_tables(),
        migrations.RunPython(carry),
        *(
            migrations.DeleteModel(name)
            for step in ("Minute", "Hour", "Day")
            for name in (f"{step}Rollup", f"{step}Latency")
        ),
    ]
