"""What the charts show: ranges, buckets in the reader's zone, stacks by outcome. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from usage.events import Outcome
from usage.periods import Step, floor

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Range:
    """A span that a person may choose, with the width of one bar and the step it is read at."""

    name: str
    words: str
    length: timedelta
    bar: timedelta
    step: str  # of usage.stats: minute, hour or day


RANGES = {
    chosen.name: chosen
    for chosen in (
        Range("1h", "hour", _HOUR, timedelta(minutes=1), "minute"),
        Range("6h", "6 hours", 6 * _HOUR, timedelta(minutes=5), "minute"),
        Range("24h", "24 hours", _DAY, _HOUR, "hour"),
        Range("7d", "7 days", 7 * _DAY, 6 * _HOUR, "hour"),
        # Hours, not days: a day of the reader's zone is no day of the rollups.
        Range("30d", "30 days", 30 * _DAY, _DAY, "hour"),
    )
}
DEFAULT_RANGE = RANGES["24h"]

# From the bottom of a stack to its top, and in every list.
WORDS = {
    Outcome.OK: "OK",
    Outcome.CALLER_ERROR: "Caller error",
    Outcome.KEY_ERROR: "Key error",
    Outcome.RATE_LIMITED: "Rate limited",
    Outcome.UPSTREAM_ERROR: "Provider error",
    Outcome.NETWORK_ERROR: "Network error",
    Outcome.DENIED: "Denied",
    Outcome.ABORTED: "Aborted",
}


def bars(chosen: Range, now: datetime, zone: tzinfo = UTC) -> list[datetime]:
    """Where each bar of the range begins, oldest first; the last one holds `now`.

    The range is the time up to `now`, so its first bar and its last are parts of bars: there is one
    more than the range is long. Bars longer than an hour begin at the reader's own midnight or a
    whole part of the day, so that one of them is an hour longer or shorter when the clocks change.
    """
    if chosen.bar <= _HOUR:
        width = int(chosen.bar.total_seconds())
        last = int(now.timestamp()) // width * width
        first = last - int(chosen.length.total_seconds())
        return [datetime.fromtimestamp(at, UTC) for at in range(first, last + 1, width)]
    # Long ranges begin with the whole hour that is still counted.
    at = _wall_bar(chosen.bar, floor(now - chosen.length, Step.HOUR), zone)
    last_wall = _wall_bar(chosen.bar, now, zone)
    starts = []
    while at <= last_wall:
        starts.append(at.replace(tzinfo=zone).astimezone(UTC))
        at += chosen.bar
    return starts


def _wall_bar(bar: timedelta, at: datetime, zone: tzinfo) -> datetime:
    """What the reader's clock shows where the bar that holds `at` begins."""
    wall = at.astimezone(zone).replace(tzinfo=None)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (wall - midnight) // bar * bar


def stack(
    starts: Sequence[datetime], counts: Iterable[tuple[datetime, str, int]]
) -> list[dict[str, Any]]:
    """One data set per outcome, in the order of WORDS; a bar without calls is 0."""
    rows = {outcome.value: [0] * len(starts) for outcome in WORDS}
    for at, outcome, requests in counts:
        index = _bar_of(starts, at)
        if index is not None and outcome in rows:
            rows[outcome][index] += requests
    return [
        {"name": outcome.value, "label": words, "data": rows[outcome.value]}
        for outcome, words in WORDS.items()
    ]


def gather(
    starts: Sequence[datetime], histograms: Iterable[tuple[datetime, int, int]]
) -> list[dict[int, int]]:
    """(time, latency bucket, requests) summed per bar."""
    merged: list[dict[int, int]] = [{} for _ in starts]
    for at, bucket, requests in histograms:
        index = _bar_of(starts, at)
        if index is not None:
            merged[index][bucket] = merged[index].get(bucket, 0) + requests
    return merged


def busy(
    starts: Sequence[datetime],
    ends: Sequence[datetime],
    times: Iterable[tuple[datetime, int]],
    since: datetime,
) -> list[float]:
    """Calls under way at once, on average, per bar: of (start, microseconds) of calls. The range
    begins at `since`, within the first bar."""
    sums = [0] * len(starts)
    for at, microseconds in times:
        index = _bar_of(starts, at)
        if index is not None:
            sums[index] += microseconds
    lengths = [(end - max(start, since)) / _SECOND for start, end in zip(starts, ends, strict=True)]
    return [
        round(total / 1e6 / length, 4) if length > 0 else 0.0
        for total, length in zip(sums, lengths, strict=True)
    ]


def _bar_of(starts: Sequence[datetime], at: datetime) -> int | None:
    index = bisect_right(starts, at) - 1
    return index if index >= 0 else None


def epoch_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def summary(words: str, by_outcome: dict[str, int]) -> str:
    """The chart in one sentence, for those who can't see it."""
    total = sum(by_outcome.values())
    if not total:
        return f"No requests in the last {words}."
    parts = [
        f"{by_outcome[outcome]:,} {label.lower() if outcome is not Outcome.OK else label}"
        for outcome, label in WORDS.items()
        if by_outcome.get(outcome)
    ]
    noun = "request" if total == 1 else "requests"
    return f"{total:,} {noun} in the last {words}: {', '.join(parts)}."
