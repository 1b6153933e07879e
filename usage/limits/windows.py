"""What limits mean: calls per minute, per day, and at once. Pure.

A sliding window in 60 slots: a call counts until its slot is one window old. So no burst fits
around a turn of the clock, a minute (or day) of silence always frees the key, and a refusal knows
when the next call fits. In memory and on Redis the same, whatever the limit: 60 numbers at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MINUTE = 60.0
DAY = 86400.0
SLOTS = 60  # of a window: a call may be forgotten this fraction of it early
CONCURRENCY_RETRY = 1.0  # seconds: when to ask again where nobody can know


@dataclass(frozen=True, slots=True)
class Limits:
    """What an app key may do; None is no limit."""

    per_minute: int | None = None
    per_day: int | None = None
    concurrency: int | None = None
    per_month: int | None = None

    def __bool__(self) -> bool:
        return (self.per_minute, self.per_day, self.concurrency, self.per_month) != (None,) * 4


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a call may go on. `code` is why not; times are seconds from now.

    limit, remaining and reset speak of the tightest window, for RateLimit-* headers; reset is
    when more calls fit.
    """

    allowed: bool
    code: str = ""
    limit: int = 0
    remaining: int = 0
    reset: float = 0.0
    retry_after: float = 0.0


FREE = Ruling(True)


def slot_of(now: float, length: float) -> int:
    """The number of the slot that `now` falls into, of a window of `length` seconds."""
    return int(now * SLOTS / length)


def live_from(now: float, length: float) -> int:
    """The first slot that still counts."""
    return slot_of(now, length) - SLOTS + 1


@dataclass(frozen=True, slots=True)
class Counted:
    """One window as it stands: its limit, its length and (slot, calls), oldest first."""

    limit: int
    length: float
    slots: Sequence[tuple[int, int]]

    @property
    def used(self) -> int:
        return sum(calls for _, calls in self.slots)

    def seconds_until(self, calls: int, now: float) -> float:
        """Seconds until `calls` of the counted ones are past; the whole window if they aren't."""
        for slot, count in self.slots:
            calls -= count
            if calls <= 0:
                return max((slot + SLOTS) * self.length / SLOTS - now, 0.0)
        return self.length


def rule(windows: list[Counted], now: float) -> Ruling:
    """The ruling for one more call; the tightest window speaks in the headers."""
    tightest = FREE
    for window in windows:
        left = window.limit - window.used - 1
        if left < 0:
            code = "rate_limited" if window.length == MINUTE else "quota_exceeded"
            seconds = window.seconds_until(-left, now)
            return Ruling(False, code, window.limit, 0, seconds, seconds)
        if tightest is FREE or left < tightest.remaining:
            reset = window.seconds_until(1, now)
            tightest = Ruling(True, "", window.limit, left, reset)
    return tightest


def full(limit: int) -> Ruling:
    return Ruling(
        False, "concurrency_limited", limit, 0, CONCURRENCY_RETRY, retry_after=CONCURRENCY_RETRY
    )
