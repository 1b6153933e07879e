"""An installation that is brought up to date keeps its charts."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from usage.rollups import bucket_of, unpacked

DAY = datetime(2026, 3, 4, tzinfo=UTC)
KEPT = DAY - timedelta(days=1)  # of what began before, counts alone are left
OLD, BEFORE, AFTER = "upgraded", ("usage", "0004_cost"), ("usage", "0008_calls_that_failed")
STEPS = {"Minute": "%Y-%m-%d %H:%M", "Hour": "%Y-%m-%d %H:00", "Day": "%Y-%m-%d 00:00"}


@pytest.fixture
def old(db: None, tmp_path: Path) -> Iterator[Any]:
    """A database of its own, with the tables of usage as they were; SQLite's file, or a schema."""
    there = connection.copy(OLD)
    there.settings_dict["NAME"] = connection.settings_dict["NAME"]
    if there.vendor == "sqlite":
        there.settings_dict["NAME"] = str(tmp_path / "old.sqlite3")
    connections[OLD] = there
    try:
        with there.cursor() as cursor:
            if there.vendor == "postgresql":
                cursor.execute(f"DROP SCHEMA IF EXISTS {OLD} CASCADE")
                cursor.execute(f"CREATE SCHEMA {OLD}")
                cursor.execute(f"SET search_path TO {OLD}")
        yield _migrated(BEFORE)
    finally:
        if there.vendor == "postgresql":
            with there.cursor() as cursor:
                cursor.execute(f"DROP SCHEMA {OLD} CASCADE")
        there.close()
        del connections[OLD]


def test_counts_of_calls_that_are_gone_are_carried_over_and_the_others_counted_anew(
    old: Any,
) -> None:
    _fill(old)
    _is_carried(_migrated(AFTER))


class Cut(Exception):
    """The upgrade is cut off."""


@pytest.mark.parametrize("name", ["0005_families_of_counts", "0006_calls_by_day"])
def test_an_upgrade_that_is_cut_off_goes_on_where_it_was(
    old: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    migration = import_module(f"usage.migrations.{name}")
    real, cuts, new = migration.whole, 0, None
    _fill(old)
    for parts in (1, 2, 3, 5, 8, 13, 21, 34, 10_000):
        left = parts

        @contextmanager
        def cut_off(connection: Any) -> Iterator[None]:
            nonlocal left
            with real(connection):
                yield
                left -= 1
                if not left:
                    raise Cut

        monkeypatch.setattr(migration, "whole", cut_off)
        try:
            new = _migrated(AFTER)
            break
        except Cut:
            cuts += 1
    assert cuts >= 3
    _is_carried(new)


def test_an_upgrade_that_is_cut_off_while_it_clears_away_goes_on(
    old: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is carried over already is neither missed nor carried twice."""
    migration = import_module("usage.migrations.0005_families_of_counts")
    real = migration.delete

    def cut_off(editor: Any, model: Any) -> None:
        real(editor, model)
        if model.__name__ == "HourRollup":
            raise Cut

    _fill(old)
    with monkeypatch.context() as once:
        once.setattr(migration, "delete", cut_off)
        with pytest.raises(Cut):
            _migrated(AFTER)
    _is_carried(_migrated(AFTER))


def _fill(old: Any) -> None:
    for number, at in enumerate([DAY - timedelta(days=2), KEPT, DAY, DAY + timedelta(hours=3)]):
        for outcome, latency_ms in (("ok", 1.5), ("ok", 900.25), ("caller_error", 3.0)):
            _counted(old, at, outcome, latency_ms)
            if at >= KEPT:
                _recorded(old, at + timedelta(seconds=20), outcome, latency_ms, number)
    _model(old, "Trimmed").create(calls_before=KEPT)


def _is_carried(new: Any) -> None:
    for step in STEPS:
        for family in ("Key", "Endpoint"):
            rows = list(_model(new, f"{family}{step}").all())
            assert sum(row.requests for row in rows) == 12
            assert sum(row.bytes_out for row in rows) == 12 * 7
            assert sum(row.cost_nanos for row in rows) == 12 * 5
            anew = [row for row in rows if row.at >= KEPT]
            assert sum(row.latency_us for row in anew) == 3 * (1_500 + 900_250 + 3_000)
            assert all(row.latency_us == 0 for row in rows if row.at < KEPT)
            spread: dict[int, int] = {}
            for row in _model(new, f"{family}{step}Latency").all():
                for bucket, requests in unpacked(bytes(row.histogram)):
                    spread[bucket] = spread.get(bucket, 0) + requests
            assert spread == {bucket_of(ms): 4 for ms in (1.5, 900.25, 3.0)}
    versions = _model(new, "KeyDay").values_list("at", "app_key_version", "requests")
    assert {version for at, version, _ in versions if at < KEPT} == {0}
    assert {version for at, version, _ in versions if at >= KEPT} == {2}
    assert set(_model(new, "CallerDay").values_list("caller", flat=True)) == {"", "nightly"}
    assert _model(new, "Call").count() == 9


def test_counts_of_calls_that_were_never_let_go_of_are_counted_once(old: Any) -> None:
    _counted(old, DAY, "ok", 1.5)
    _recorded(old, DAY + timedelta(seconds=59), "ok", 1.5, 0)
    new = _migrated(AFTER)
    for step in STEPS:
        assert [row.requests for row in _model(new, f"Key{step}").all()] == [1]


def test_an_installation_without_a_call_is_brought_up_to_date(old: Any) -> None:
    assert not _model(_migrated(AFTER), "KeyDay").exists()


def _migrated(target: tuple[str, str]) -> Any:
    """The models as they are after that migration."""
    MigrationExecutor(connections[OLD]).migrate([target])
    return MigrationExecutor(connections[OLD]).loader.project_state(target).apps


def _model(there: Any, name: str) -> Any:
    return there.get_model("usage", name).objects.using(OLD)


def _counted(old: Any, at: datetime, outcome: str, latency_ms: float) -> None:
    """As ingest did then: sums by outcome, and a row for each bucket of a histogram."""
    place = {"application": "a", "app_key": "k", "provider": "p", "provider_key": "u"}
    for step, cut in STEPS.items():
        start = datetime.strptime(at.strftime(cut), "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        where = {"at": start, **place, "endpoint": "/x"}
        sums, _ = _model(old, f"{step}Rollup").get_or_create(**where, outcome=outcome, status=200)
        sums.requests += 1
        sums.bytes_out += 7
        sums.cost_nanos += 5
        sums.save(using=OLD)
        spread, _ = _model(old, f"{step}Latency").get_or_create(
            **where, bucket=bucket_of(latency_ms)
        )
        spread.requests += 1
        spread.save(using=OLD)


def _recorded(old: Any, at: datetime, outcome: str, latency_ms: float, number: int) -> None:
    _model(old, "Call").create(
        id=UUID(int=number * 10_000 + round(latency_ms * 4)),
        started_at=at,
        source="gateway",
        application="a",
        app_key="k",
        app_key_version=2,
        provider="p",
        provider_key="u",
        provider_key_version=1,
        method="GET",
        endpoint="/x",
        caller="nightly",
        outcome=outcome,
        status=200,
        latency_ms=latency_ms,
        bytes_out=7,
        cost_nanos=5,
    )
