"""When calls come: busy by day, quiet by night and at weekends, growing, in bursts. Pure.

Times are epoch milliseconds, UTC.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

HOUR = 3_600_000
DAY = 24 * HOUR
BURSTS = 0.03  # of all calls
BURSTS_PER_DAY = 1.5
BURST = 6 * 60_000
WEEKEND = 0.45
OUTAGE_EVERY = 9 * DAY
OUTAGE = 25 * 60_000


@dataclass(frozen=True, slots=True)
class Burst:
    """One key calls very often for some minutes."""

    at: int
    part: int  # its place among all keys
    calls: int


@dataclass(frozen=True, slots=True)
class Hour:
    """The calls of one hour, as far as it lies in the range."""

    since: int
    until: int
    calls: int
    bursts: list[Burst]


def hours(since: int, until: int, calls: int, parts: int, luck: random.Random) -> Iterator[Hour]:
    """The hours of the range, oldest first; their calls and bursts add up to `calls`."""
    bursts = _bursts(since, until, round(calls * BURSTS), parts, luck)
    left = calls - sum(burst.calls for burst in bursts)
    spans = [
        (max(since, at), min(until, at + HOUR)) for at in range(since - since % HOUR, until, HOUR)
    ]
    weights = [_weight(*span, since, until, luck) for span in spans]
    whole, done, seen = sum(weights), 0, 0.0
    for (start, end), weight in zip(spans, weights, strict=True):
        seen += weight
        upto = round(left * min(1.0, seen / whole)) if end < until else left
        here = [burst for burst in bursts if start <= burst.at < end]
        yield Hour(start, end, upto - done, here)
        done = upto


def outages(since: int, until: int) -> Iterator[tuple[int, int]]:
    """When the provider that fails now and then is out of order: beginnings and ends."""
    for at in range(since + OUTAGE_EVERY // 2, until, OUTAGE_EVERY):
        yield at, at + OUTAGE


def shares(parts: int) -> list[float]:
    """How much each key calls, added up: few call most (Zipf's law)."""
    total, found = 0.0, []
    for rank in range(1, parts + 1):
        total += 1 / rank
        found.append(total)
    return found


def _weight(start: int, end: int, since: int, until: int, luck: random.Random) -> float:
    hour = start % DAY / HOUR
    by_day = 0.6 + 0.4 * math.sin((hour - 8) / 24 * 2 * math.pi)
    weekday = (start // DAY + 3) % 7  # 0: Monday
    by_week = WEEKEND if weekday >= 5 else 1.0
    growth = 0.8 + 0.4 * (start - since) / (until - since)
    return by_day * by_week * growth * math.exp(luck.gauss(0, 0.08)) * (end - start) / HOUR


def _bursts(since: int, until: int, calls: int, parts: int, luck: random.Random) -> list[Burst]:
    count = max(1, round((until - since) / DAY * BURSTS_PER_DAY))
    whole = range(-(-since // HOUR), until // HOUR)  # a burst lies in one hour
    if not whole or not calls // count:
        return []
    return [
        Burst(
            luck.choice(whole) * HOUR + luck.randrange(HOUR - BURST),
            luck.randrange(min(parts, 50)),
            calls // count,
        )
        for _ in range(count)
    ]
