"""Series: by every dimension, with every filter, in days of any zone."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from tests.stats.conftest import NOW, Store, call, lately
from usage import stats
from usage.events import Outcome
from usage.periods import Step
from usage.rollups.families import KEYS
from usage.stats.series import _buckets, _covering

pytestmark = pytest.mark.django_db
FIELDS: dict[str, tuple[str, object, object]] = {
    # filter: (event's field, one value, another)
    "app_key": ("app_key", "ak0000000001", "ak0000000002"),
    "app_key_version": ("app_key_version", 1, 2),
    "provider_key": ("provider_key", "pk0000000001", "pk0000000002"),
    "provider_key_version": ("provider_key_version", 1, 2),
    "provider": ("provider", "modelslab", "openai"),
    "endpoint": ("endpoint", "/a", "/b"),
    "outcome": ("outcome", Outcome.OK, Outcome.KEY_ERROR),
    "status": ("status", 200, 401),
    "caller": ("caller", "nightly", "hourly"),
}


@pytest.mark.parametrize("name", list(FIELDS))
def test_every_filter_narrows_totals_and_series_and_every_dimension_splits(
    store: Store, name: str
) -> None:
    field, one, other = FIELDS[name]
    store(call(**{field: one}), call(**{field: one}), call(**{field: other}))
    narrow = lately(**{name: one})
    assert stats.totals(narrow, NOW).requests == 2
    assert sum(point.requests for point in stats.series(narrow, "hour", now=NOW)) == 2
    points = stats.series(lately(), "day", name, NOW)
    assert [point.by for point in points if point.requests] == [{str(one): 2, str(other): 1}]


def test_a_version_is_that_of_the_key_in_the_filter(store: Store) -> None:
    store(call(app_key_version=3, provider_key_version=7))
    for name, told in (("app_key", "3"), ("provider_key", "7")):
        value = FIELDS[name][1]
        points = stats.series(lately(**{name: value}), "day", "version", NOW)
        assert [point.by for point in points if point.requests] == [{told: 1}]
    with pytest.raises(stats.Unanswerable, match="of one key"):
        stats.series(lately(), "day", "version", NOW)


@pytest.mark.parametrize(
    ("by", "fields"),
    [
        ("endpoint", {"caller": "nightly"}),
        ("caller", {"provider": "openai"}),
        ("endpoint", {"app_key": "ak0000000001", "app_key_version": 1}),
    ],
)
def test_what_is_not_counted_together_is_refused(by: str, fields: dict[str, object]) -> None:
    with pytest.raises(stats.Unanswerable, match="not counted by"):
        stats.series(lately(**fields), "day", by, NOW)


def test_a_day_begins_at_midnight_of_the_zone(store: Store) -> None:
    # 22:30 and 23:30 in Berlin, the second one at 21:30 UTC; then 00:30 of the next day.
    store(*(call(datetime(2026, 9, 21, hour, 30, tzinfo=UTC)) for hour in (20, 21, 22)))
    f = stats.Filter(since=datetime(2026, 9, 20, 22, tzinfo=UTC), until=NOW)
    points = stats.series(f, "day", now=NOW, zone=ZoneInfo("Europe/Berlin"))
    assert [(point.at.day, point.at.hour) for point in points] == [(20, 22), (21, 22), (22, 22)]
    assert [point.requests for point in points] == [2, 1, 0]
    assert points[2].seconds == (NOW - points[2].at).total_seconds()


def test_a_day_on_which_the_clocks_change_is_an_hour_longer() -> None:
    now = datetime(2026, 10, 27, tzinfo=UTC)
    f = stats.Filter(since=now - timedelta(days=4), until=now)
    points = stats.series(f, "day", now=now, zone=ZoneInfo("Europe/Berlin"))
    hours = {point.at.day: point.seconds / 3600 for point in points}
    assert (hours[23], hours[24]) == (24, 25)


def test_half_an_hour_is_told_as_long_as_minutes_are_kept(store: Store) -> None:
    india = ZoneInfo("Asia/Kolkata")  # midnight is at 18:30 UTC
    around = [
        datetime(2026, 9, day, 18, minute, tzinfo=UTC) for day in (18, 22) for minute in (20, 40)
    ]
    store(*map(call, around))
    f = stats.Filter(since=datetime(2026, 9, 18, tzinfo=UTC), until=NOW)
    points = {point.at: point.requests for point in stats.series(f, "day", now=NOW, zone=india)}
    exact = datetime(2026, 9, 22, 18, 30, tzinfo=UTC)
    assert (points[exact - timedelta(days=1)], points[exact]) == (1, 1)
    # Long ago the day begins with the whole hour that follows, and says so.
    assert points[datetime(2026, 9, 18, 19, tzinfo=UTC)] == 0
    assert points[datetime(2026, 9, 17, 19, tzinfo=UTC)] == 2
    assert sum(points.values()) == 4


def test_days_of_a_zone_reach_as_far_back_as_hours_are_kept(settings: Settings) -> None:
    f = stats.Filter(since=NOW - timedelta(days=120), until=NOW)
    assert len(stats.series(f, "day", now=NOW)) == 121
    with pytest.raises(stats.TooFine):
        stats.series(f, "day", now=NOW, zone=ZoneInfo("Europe/Berlin"))


ZONES = (
    "UTC Europe/Berlin America/New_York Asia/Kolkata Asia/Kathmandu Australia/Lord_Howe "
    "Pacific/Chatham Africa/Casablanca America/St_Johns"
)


@given(
    zone=st.sampled_from(ZONES.split()),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    days=st.floats(0.01, 85),
    step=st.sampled_from(list(Step)),
)
def test_the_parts_of_a_series_meet_and_no_bucket_is_cut(
    zone: str, now: datetime, days: float, step: Step
) -> None:
    since = now - timedelta(days=min(days, 1.9) if step is Step.MINUTE else days)
    f = stats.Filter(since=since, until=now)
    starts, end = _buckets(f, step, ZoneInfo(zone), KEYS, now)
    assert starts == sorted(set(starts)) and starts[-1] < end
    assert end >= now
    covering = _covering(starts, end, step, KEYS, now)
    assert (covering[0].since, covering[-1].until) == (starts[0], end)
    for left, right in pairwise(covering):
        assert left.until == right.since
    for piece in covering:
        at = piece.since
        inside = [start for start in starts if piece.since < start < piece.until]
        assert all((start - at) % piece.step.length == timedelta() for start in inside)
