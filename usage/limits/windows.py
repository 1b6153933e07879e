"""What limits mean: calls per minute, per day, and at once. Pure.

A sliding window counter: the last window's count fades out as the present one grows, so
there is no moment at which a caller may send twice the limit.
"""

from dataclasses import dataclass

MINUTE = 60.0
DAY = 86400.0
CONCURRENCY_RETRY = 1.0  # seconds: when to ask again where nobody can know


@dataclass(frozen=True, slots=True)
class Limits:
    """What an app key may do; None is no limit."""

    per_minute: int | None = None
    per_day: int | None = None
    concurrency: int | None = None

    def __bool__(self) -> bool:
        return (self.per_minute, self.per_day, self.concurrency) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a call may go on. `code` is why not; times are seconds from now.

    limit, remaining and reset speak of the tightest window, for RateLimit-* headers.
    """

    allowed: bool
    code: str = ""
    limit: int = 0
    remaining: int = 0
    reset: float = 0.0
    retry_after: float = 0.0


FREE = Ruling(True)


@dataclass(slots=True)
class Window:
    """Counts of the window `number` and of the one before it."""

    number: int = 0
    count: int = 0
    before: int = 0

    def roll(self, number: int) -> None:
        if number == self.number:
            return
        self.before = self.count if number == self.number + 1 else 0
        self.number, self.count = number, 0


def estimate(count: int, before: int, share: float) -> float:
    """Calls in the sliding window when `share` (0 to 1) of the present one has passed."""
    return before * (1.0 - share) + count


def wait(count: int, before: int, share: float, limit: int, length: float) -> float:
    """Seconds until one more call fits. A limit of 0 never lets one in: a whole window."""
    if limit <= 0:
        return length
    if count + 1 > limit:
        # Not within this window; in the next one this count is the one that fades.
        later = max(0.0, 1.0 - (limit - 1) / count)
        return (1.0 - share + later) * length
    needed = 1.0 - (limit - 1 - count) / before if before else 0.0
    return max(0.0, needed - share) * length


def rule(windows: list[tuple[int, float, int, int, float]]) -> Ruling:
    """The ruling over (limit, length, count, before, share) of each window, tightest first."""
    tightest = FREE
    for limit, length, count, before, share in windows:
        used = estimate(count, before, share)
        reset = (1.0 - share) * length
        if used + 1 > limit + 1e-9:
            code = "rate_limited" if length == MINUTE else "quota_exceeded"
            return Ruling(False, code, limit, 0, reset, wait(count, before, share, limit, length))
        remaining = int(limit - used - 1 + 1e-9)
        if tightest is FREE or remaining < tightest.remaining:
            tightest = Ruling(True, "", limit, remaining, reset)
    return tightest


def full(limit: int) -> Ruling:
    return Ruling(
        False, "concurrency_limited", limit, 0, CONCURRENCY_RETRY, retry_after=CONCURRENCY_RETRY
    )
