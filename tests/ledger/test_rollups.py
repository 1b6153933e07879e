"""Counts equal what raw calls add up to; buckets and periods do their arithmetic."""

import io
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from tests.ledger.conftest import START, make_event
from usage import retention, rollups
from usage.events import CallEvent, Outcome
from usage.ingest import drain
from usage.models import Call, KeyDay, KeyHour, KeyHourLatency, KeyMinute
from usage.periods import finest, pieces, widened
from usage.rollups import (
    bucket_of,
    compare,
    latency_of,
    packed,
    quantile,
    quantiles,
    rebuild,
    summed,
)
from usage.spool import Spool

NOW = datetime.fromtimestamp(START / 1000, UTC)
DAY = timedelta(days=1)
ranges = st.tuples(
    st.integers(0, 200 * 86400), st.integers(0, 100 * 86400), st.integers(0, 999_999)
)


def event_day(event: CallEvent) -> datetime:
    return datetime.fromtimestamp(event.started_at / 1000, UTC)


@pytest.fixture
def traffic(new_spool: Callable[..., Spool]) -> None:
    spool = new_spool()
    for index in range(60):
        event = make_event(
            started_at=START - index * 1_800_000,
            endpoint=f"/api/v6/{index % 4}",
            outcome=[Outcome.OK, Outcome.UPSTREAM_ERROR, Outcome.ABORTED][index % 3],
            latency_ms=float(index),
            cost_nanos=index,
        )
        spool.end(spool.begin(event), event)
    drain(spool.directory)


@given(st.floats(0.2, 3600_000))
def test_a_bucket_tells_a_latency_within_a_tenth(latency: float) -> None:
    assert latency_of(bucket_of(latency)) == pytest.approx(latency, rel=0.1)


@pytest.mark.parametrize("latency", [0.0, 0.05, 1e12])
def test_every_latency_has_a_bucket(latency: float) -> None:
    assert 0 <= bucket_of(latency) <= rollups.LAST_BUCKET


def test_a_quantile_of_nothing_is_zero() -> None:
    assert quantile({}, 0.5) == 0.0
    assert quantiles([], [0.5]) == quantiles(summed([b""]), [0.5]) == [0.0]


@given(st.lists(st.dictionaries(st.integers(0, rollups.LAST_BUCKET), st.integers(1, 99))))
def test_histograms_are_added_up_one_by_one_or_joined(spreads: list[dict[int, int]]) -> None:
    histograms = [packed(spread) for spread in spreads]
    calls = summed(histograms)
    assert calls == summed([b"".join(histograms)])
    whole = Counter[int]()
    for spread in spreads:
        whole.update(spread)
    assert {bucket: n for bucket, n in enumerate(calls) if n} == dict(whole)
    slowest_first = sorted(whole.elements(), reverse=True)
    found = quantile(whole, 1.0)
    assert found == (latency_of(slowest_first[0]) if slowest_first else 0.0)


@given(ranges)
def test_pieces_cover_a_range_without_gap_or_overlap(times: tuple[int, int, int]) -> None:
    age, length, microseconds = times
    since = NOW - timedelta(seconds=age, microseconds=microseconds)
    until = since + timedelta(seconds=length)
    parts = pieces(since, until, NOW)
    edges = widened(since, until, NOW)
    at = edges[0]
    for part in parts:
        assert part.since == at
        assert part.until > part.since
        assert part.step.length >= finest(part.since, NOW).length
        at = part.until
    assert at == edges[1] or not parts
    assert edges[0] <= since
    assert edges[1] >= until


@pytest.mark.django_db
def test_counts_equal_the_raw_calls(traffic: None) -> None:
    assert KeyMinute.objects.count() == 60
    assert list(compare(NOW - 3 * DAY, NOW + DAY, NOW)) == []


@pytest.mark.django_db
def test_a_changed_count_is_found_and_mended(traffic: None) -> None:
    KeyDay.objects.update(requests=7)
    KeyHourLatency.objects.all().delete()
    found = list(compare(NOW - 3 * DAY, NOW + DAY, NOW))
    assert {difference.table for difference in found} == {"usage_keyday", "usage_keyhourlatency"}

    assert rebuild(NOW - 3 * DAY, NOW + DAY, NOW) == 60
    assert list(compare(NOW - 3 * DAY, NOW + DAY, NOW)) == []


@pytest.mark.django_db
def test_a_changed_cost_is_found_and_mended(traffic: None) -> None:
    KeyHour.objects.update(cost_nanos=7)
    found = list(compare(NOW - 3 * DAY, NOW + DAY, NOW))
    assert {difference.table for difference in found} == {"usage_keyhour"}

    rebuild(NOW - 3 * DAY, NOW + DAY, NOW)
    assert list(compare(NOW - 3 * DAY, NOW + DAY, NOW)) == []
    for model in (KeyMinute, KeyHour, KeyDay):
        assert sum(model.objects.values_list("cost_nanos", flat=True)) == sum(range(60))


@pytest.mark.django_db(transaction=True)  # SQLite's schema editor starts outside of one
def test_the_column_of_costs_is_added_without_writing_a_table_anew() -> None:
    sql = io.StringIO()
    call_command("sqlmigrate", "usage", "0004", stdout=sql)
    assert sql.getvalue().count("ADD COLUMN") == 4
    assert "CREATE TABLE" not in sql.getvalue()


@pytest.mark.django_db
def test_a_range_whose_calls_are_gone_is_not_rebuilt(traffic: None) -> None:
    with pytest.raises(rollups.NotKept, match="raw calls are kept since"):
        rebuild(NOW - 40 * DAY, NOW, NOW)
    assert KeyDay.objects.exists()


@pytest.mark.django_db
def test_the_command_says_differences_and_mends_them(
    new_spool: Callable[..., Spool], capsys: pytest.CaptureFixture[str]
) -> None:
    spool = new_spool()
    event = make_event(started_at=time.time_ns() // 1_000_000)
    spool.end(spool.begin(event), event)
    drain(spool.directory)
    day = f"{event_day(event):%Y-%m-%d}"

    call_command("rebuild_rollups", "--check", f"--since={day}", f"--until={day}")
    KeyDay.objects.update(requests=7)
    with pytest.raises(CommandError, match="1 count differs"):
        call_command("rebuild_rollups", "--check", f"--since={day}", f"--until={day}")
    call_command("rebuild_rollups", f"--since={day}", f"--until={day}")
    call_command("rebuild_rollups", "--check", f"--since={day}", f"--until={day}")
    assert "Counted 1 call again." in capsys.readouterr().out
    with pytest.raises(CommandError, match="raw calls are kept since"):
        call_command("rebuild_rollups", "--since=2020-01-01", "--until=2020-01-02")


@pytest.mark.django_db
def test_what_is_past_its_time_is_trimmed_and_days_stay(traffic: None) -> None:
    retention.trim(NOW + timedelta(hours=49))
    assert Call.objects.count() == 60
    assert KeyMinute.objects.count() < 60
    retention.trim(NOW + 40 * DAY)
    assert Call.objects.count() == KeyMinute.objects.count() == 0
    retention.trim(NOW + 100 * DAY)
    assert KeyHourLatency.objects.count() == 0
    assert sum(KeyDay.objects.values_list("requests", flat=True)) == 60


@pytest.mark.django_db
def test_a_retention_that_is_raised_brings_back_no_calls(traffic: None, settings: Settings) -> None:
    later = NOW + 2 * DAY
    settings.CALL_RETENTION_DAYS = 0
    retention.trim(later)
    settings.CALL_RETENTION_DAYS = 30
    retention.trim(later)
    with pytest.raises(rollups.NotKept):
        rebuild(NOW - 3 * DAY, NOW, later)
    assert sum(KeyDay.objects.values_list("requests", flat=True)) == 60
