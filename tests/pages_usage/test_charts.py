"""Bars lie where the reader's clock says, and every call falls into exactly one."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.charts import RANGES, WORDS, bars, gather, stack, summary
from usage.events import Outcome

NOW = datetime(2026, 11, 22, 10, 47, 31, tzinfo=UTC)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]


@pytest.mark.parametrize(
    ("name", "count"), [("1h", 61), ("6h", 73), ("24h", 25), ("7d", 29), ("30d", 31)]
)
def test_every_range_has_a_readable_number_of_bars(name: str, count: int) -> None:
    assert len(bars(RANGES[name], NOW)) == count


def test_days_begin_at_the_readers_midnight() -> None:
    zone = ZoneInfo("America/New_York")
    starts = [start.astimezone(zone) for start in bars(RANGES["30d"], NOW, zone)]
    assert {(start.hour, start.minute) for start in starts} == {(0, 0)}
    assert starts[-1].day == 22


def test_days_follow_each_other_when_the_clocks_change() -> None:
    zone = ZoneInfo("Europe/Berlin")  # back an hour on 25 October 2026
    starts = bars(RANGES["30d"], NOW, zone)
    widths = {later - earlier for earlier, later in pairwise(starts)}
    assert widths == {timedelta(days=1), timedelta(hours=25)}


@given(
    now=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES),
    name=st.sampled_from(sorted(RANGES)),
)
def test_bars_ascend_and_hold_the_range_from_its_first_moment_to_now(
    now: datetime, zone: str, name: str
) -> None:
    starts = bars(RANGES[name], now, ZoneInfo(zone))
    assert starts == sorted(set(starts))
    assert starts[0] <= now - RANGES[name].length
    assert starts[-1] <= now
    assert now - starts[-1] <= RANGES[name].bar + timedelta(hours=1)


@given(
    calls=st.lists(
        st.tuples(
            st.integers(0, 23 * 3600).map(lambda s: bars(RANGES["24h"], NOW)[0] + timedelta(0, s)),
            st.sampled_from([outcome.value for outcome in Outcome]),
            st.integers(1, 9),
        )
    )
)
def test_stacks_hold_every_call_once(calls: list[tuple[datetime, str, int]]) -> None:
    rows = stack(bars(RANGES["24h"], NOW), calls)
    assert [row["name"] for row in rows] == [outcome.value for outcome in WORDS]
    assert sum(sum(row["data"]) for row in rows) == sum(count for *_, count in calls)


def test_calls_before_the_first_bar_are_left_out() -> None:
    starts = bars(RANGES["1h"], NOW)
    early = starts[0] - timedelta(seconds=1)
    assert not any(sum(row["data"]) for row in stack(starts, [(early, "ok", 5)]))
    assert not any(gather(starts, [(early, 3, 5)]))


def test_histograms_of_one_bar_are_added_up() -> None:
    starts = bars(RANGES["6h"], NOW)
    rows = [(starts[0], 7, 2), (starts[0] + timedelta(minutes=4), 7, 1), (starts[1], 9, 1)]
    assert gather(starts, rows)[:2] == [{7: 3}, {9: 1}]


def test_the_summary_says_the_chart_in_words() -> None:
    assert summary("hour", {}) == "No requests in the last hour."
    assert (
        summary("hour", {"key_error": 1, "ok": 12})
        == "13 requests in the last hour: 12 OK, 1 key error."
    )
    assert summary("day", {"ok": 1791}) == "1,791 requests in the last day: 1,791 OK."
