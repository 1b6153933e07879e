"""Totals: whose the errors are, how many calls were under way, and the time before."""

from datetime import timedelta

import pytest

from tests.stats.conftest import NOW, Store, call, calls, lately
from usage import stats
from usage.events import Outcome

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_errors_are_told_by_whose_they_are_and_add_up(store: Store) -> None:
    store(*(call(outcome=outcome, status=500) for outcome in Outcome))
    found = stats.totals(lately(), NOW)
    assert found.by_fault == {"caller": 1, "key": 2, "provider": 1, "between": 1}
    assert sum(found.by_fault.values()) == found.errors == 5


def test_calls_under_way_are_their_time_by_the_time_that_passed(store: Store) -> None:
    store(call(30 * timedelta(minutes=1), latency_ms=600_000.0), call(latency_ms=300_000.0))
    f = stats.Filter(since=NOW - HOUR, until=NOW + HOUR)
    found = stats.totals(f, NOW)
    # 900 seconds of calls in the hour, and a little, that is over.
    assert found.seconds == pytest.approx(3600, abs=60)
    assert found.concurrency == pytest.approx(900 / found.seconds)


def test_a_time_to_come_has_no_calls_under_way() -> None:
    f = stats.Filter(since=NOW + HOUR, until=NOW + 2 * HOUR)
    assert stats.totals(f, NOW).concurrency == 0.0


def test_the_time_before_is_as_long_and_meets_without_overlap(store: Store) -> None:
    ages = [1, 30, 59, 63, 90, 119, 125]
    store(*(call(timedelta(minutes=minutes)) for minutes in ages))
    f = stats.Filter(since=NOW - HOUR, until=NOW)
    found = stats.totals(f, NOW)
    before = stats.totals(stats.previous(f, found), NOW)
    assert (found.requests, before.requests) == (3, 3)
    assert (before.until, before.until - before.since) == (found.since, found.until - found.since)


@pytest.mark.parametrize("hours", [1, 24, 24 * 7, 24 * 30])
def test_a_panel_has_the_totals_of_both_times(store: Store, hours: int) -> None:
    length = timedelta(hours=hours)
    for part in (0.1, 0.5, 0.9, 1.1, 1.5, 1.9, 2.5):
        store(call(length * part, latency_ms=100.0 * part, status=200 + int(part)))
    f = stats.Filter(since=NOW - length, until=NOW)
    step = "minute" if hours == 1 else "hour"
    found = stats.breakdown(f, step, NOW)
    totals = stats.totals(f, NOW)
    assert found.totals == totals
    assert found.previous == stats.totals(stats.previous(f, totals), NOW)
    assert (found.totals.requests, found.previous.requests) == (3, 3)
    assert sum(time for _, time in found.busy) == totals.latency_us


def test_totals_cost_one_query_however_the_range_is_cut(
    store: Store, django_assert_num_queries: object
) -> None:
    store(*calls(3))
    for length in (timedelta(minutes=7), timedelta(hours=30), timedelta(days=20)):
        with django_assert_num_queries(1):  # type: ignore[operator]
            stats.totals(stats.Filter(since=NOW - length, until=NOW), NOW)
        with django_assert_num_queries(1):  # type: ignore[operator]
            stats.breakdown(stats.Filter(since=NOW - length, until=NOW), "hour", NOW)
