"""Totals, series, rankings and call pages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.ledger.conftest import START, make_event
from usage import stats
from usage.events import CallEvent, Outcome
from usage.ingest import drain
from usage.periods import Step
from usage.spool import Spool

pytestmark = pytest.mark.django_db
NOW = datetime.fromtimestamp(START / 1000, UTC)
Store = Callable[..., None]


@pytest.fixture
def store(new_spool: Callable[..., Spool]) -> Store:
    spool = new_spool()

    def keep(*events: CallEvent) -> None:
        for event in events:
            spool.end(spool.begin(event), event)
        drain(spool.directory)

    return keep


def ago(**time: float) -> int:
    return int((NOW - timedelta(**time)).timestamp() * 1000)


def totals(**fields: object) -> stats.Totals:
    return stats.totals(stats.Filter(**fields), now=NOW)  # type: ignore[arg-type]


def test_nothing_recorded_is_zero_everywhere() -> None:
    found = totals()
    assert (found.requests, found.error_rate, found.latency_ms.p50) == (0, 0.0, None)
    assert {point.requests for point in stats.series(stats.Filter(), "hour", now=NOW)} == {0}


def test_denied_and_aborted_calls_are_no_part_of_the_error_rate(store: Store) -> None:
    store(
        make_event(),
        make_event(outcome=Outcome.KEY_ERROR, status=401),
        make_event(outcome=Outcome.DENIED, status=429),
        make_event(outcome=Outcome.ABORTED, status=0),
    )
    found = totals(until=NOW + timedelta(minutes=1))
    assert (found.requests, found.errors, found.error_rate) == (4, 1, 0.5)
    assert found.by_outcome == {"ok": 1, "key_error": 1, "denied": 1, "aborted": 1}


def test_only_refused_calls_make_an_error_rate_of_zero(store: Store) -> None:
    store(make_event(outcome=Outcome.DENIED, status=429))
    assert totals(until=NOW + timedelta(minutes=1)).error_rate == 0.0


def test_a_range_is_exact_to_the_minute_across_minutes_hours_and_days(store: Store) -> None:
    ages = [1, 59, 61, 119, 600, 1439, 1441, 2500]
    store(*(make_event(started_at=ago(minutes=minutes)) for minutes in ages))
    for minutes in (0, 30, 60, 90, 200, 1440, 2000, 2600):
        expected = sum(age <= minutes for age in ages)
        assert totals(since=NOW - timedelta(minutes=minutes)).requests == expected, minutes


def test_a_range_older_than_the_minutes_that_are_kept_is_told_in_whole_hours(store: Store) -> None:
    store(make_event(started_at=ago(days=5)), make_event(started_at=ago(days=5, minutes=10)))
    found = totals(since=NOW - timedelta(days=5))
    assert found.requests == 2
    assert found.since == datetime(2026, 9, 16, 14, tzinfo=UTC)


def test_filters_and_applications_bound_what_is_counted(store: Store) -> None:
    store(
        make_event(application="app00000000A", app_key="keyA", endpoint="/a", status=200),
        make_event(application="app00000000B", app_key="keyB", endpoint="/b", status=201),
    )
    until = NOW + timedelta(minutes=1)
    assert totals(until=until).requests == 2
    assert totals(until=until, applications=[]).requests == 0
    assert totals(until=until, applications=["app00000000A"]).requests == 1
    assert totals(until=until, app_key="keyB").requests == 1
    assert totals(until=until, endpoint="/a", app_key="keyB").requests == 0
    assert totals(until=until, status=201).requests == 1


def test_percentiles_are_within_a_tenth(store: Store) -> None:
    store(*(make_event(latency_ms=float(ms)) for ms in range(1, 1001)))
    latency = totals(until=NOW + timedelta(minutes=1)).latency_ms
    assert latency.p50 == pytest.approx(500, rel=0.1)
    assert latency.p95 == pytest.approx(950, rel=0.1)
    assert latency.p99 == pytest.approx(990, rel=0.1)


def test_a_series_has_a_point_for_every_step_and_tells_values_apart(store: Store) -> None:
    store(
        make_event(started_at=ago(hours=2)),
        make_event(started_at=ago(hours=2), outcome=Outcome.UPSTREAM_ERROR, status=502),
        make_event(started_at=ago(minutes=1)),
    )
    points = stats.series(stats.Filter(since=NOW - timedelta(hours=3), until=NOW), "hour", now=NOW)
    assert [point.requests for point in points] == [0, 2, 0, 1]
    assert points[1].by == {"ok": 1, "upstream_error": 1}
    assert points[1].error_rate == 0.5
    assert points[0].at == datetime(2026, 9, 21, 11, tzinfo=UTC)

    by_status = stats.series(stats.Filter(), Step.DAY, by="status", now=NOW)
    assert [point.by for point in by_status] == [{}, {"200": 2, "502": 1}]


def test_all_values_but_the_busiest_are_told_as_other(store: Store) -> None:
    store(*(make_event(app_key=f"key{number}") for number in range(20) for _ in range(20 - number)))
    (point,) = stats.series(
        stats.Filter(since=NOW, until=NOW + timedelta(minutes=1)), "day", by="app_key", now=NOW
    )
    assert len(point.by) == 13
    assert point.by["other"] == sum(range(1, 9))


def test_a_series_finer_than_what_is_kept_is_refused() -> None:
    f = stats.Filter(since=NOW - timedelta(days=3))
    with pytest.raises(stats.TooFine, match="hour"):
        stats.series(f, "minute", now=NOW)
    with pytest.raises(ValueError, match="by must be"):
        stats.series(f, "hour", by="password", now=NOW)


def test_groups_rank_the_values_of_a_dimension(store: Store) -> None:
    store(make_event(app_key="one"), make_event(app_key="two"), make_event(app_key="two"))
    found = stats.groups(stats.Filter(until=NOW + timedelta(minutes=1)), "app_key", now=NOW)
    assert [(group.value, group.requests) for group in found] == [("two", 2), ("one", 1)]


def test_versions_and_callers_are_told_apart(store: Store) -> None:
    store(
        make_event(app_key_version=1, provider_key_version=3, caller="nightly"),
        make_event(app_key_version=2, provider_key_version=3),
        make_event(app_key_version=2, provider_key_version=4),
    )
    until = NOW + timedelta(minutes=1)
    assert totals(until=until, app_key_version=2).requests == 2
    assert totals(until=until, app_key_version=2, provider_key_version=3).requests == 1
    assert totals(until=until, caller="nightly").requests == 1
    found = stats.groups(stats.Filter(until=until), "app_key_version", now=NOW)
    assert [(group.value, group.requests) for group in found] == [("2", 2), ("1", 1)]


def test_the_time_that_calls_took_together_is_told(store: Store) -> None:
    store(make_event(latency_ms=1.5), make_event(latency_ms=2.25))
    assert totals(until=NOW + timedelta(minutes=1)).latency_us == 3750


def test_what_no_table_tells_together_is_refused_with_a_reason() -> None:
    with pytest.raises(stats.Unanswerable, match="caller and endpoint"):
        totals(caller="nightly", endpoint="/a")
    with pytest.raises(stats.Unanswerable, match="not counted by"):
        stats.series(stats.Filter(app_key_version=1), "hour", by="endpoint", now=NOW)


def test_callers_are_not_told_by_the_minute() -> None:
    with pytest.raises(stats.TooFine, match="hour"):
        stats.series(stats.Filter(caller="nightly"), "minute", now=NOW)


def test_pages_of_calls_meet_without_gap_or_overlap(store: Store) -> None:
    events = [make_event(started_at=START + index // 3) for index in range(25)]
    store(*events)
    seen: list[str] = []
    cursor = None
    while True:
        page = stats.calls(stats.Filter(), cursor, limit=4)
        seen += [str(row.id) for row in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert sorted(seen) == sorted(event.id for event in events)
    assert len(set(seen)) == 25
    started = {event.id: event.started_at for event in events}
    assert [started[key] for key in seen] == sorted(started.values(), reverse=True)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "_" * 32])
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(stats.BadCursor):
        stats.calls(stats.Filter(), cursor)


def test_a_call_of_another_application_is_not_found(store: Store) -> None:
    event = make_event()
    store(event)
    assert stats.call(event.id, None) is not None
    assert stats.call(event.id, [event.application]) is not None
    assert stats.call(event.id, ["app00000000B"]) is None
    assert stats.call("nonsense", None) is None
