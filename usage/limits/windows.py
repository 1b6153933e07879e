"""What limits mean: calls per minute, per day, per month, and at once. Pure.

Minute and day slide, in 60 slots: a call counts until its slot is one window old. So no burst
fits around a turn of the clock, a minute (or day) of silence always frees the key, and a refusal
knows when the next call fits. A month is the calendar's, in UTC, as bills are: it begins anew on
the 1st. In memory and on Redis the same, whatever the limit: 60 numbers at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

MINUTE = 60.0
DAY = 86400.0
SLOTS = 60  # of a sliding window: a call may be forgotten this fraction of it early
CONCURRENCY_RETRY = 1.0  # seconds: when to ask again where nobody can know

Slots = Mapping[int, int]  # slot -> calls


@dataclass(frozen=True, slots=True)
class Limits:
    """What an app key may do; None is no limit."""

    per_minute: int | None = None
    per_day: int | None = None
    per_month: int | None = None
    concurrency: int | None = None

    def __bool__(self) -> bool:
        return self.concurrency is not None or self.bounds != (None, None, None)

    @property
    def bounds(self) -> tuple[int | None, int | None, int | None]:
        """In the order of WINDOWS."""
        return self.per_minute, self.per_day, self.per_month


class Ruling(NamedTuple):
    """Whether a call may go on. `code` and `window` are why not; times are seconds from now.

    limit, remaining and reset speak of the tightest window, for RateLimit-* headers; reset is
    when more calls fit.
    """

    allowed: bool
    code: str = ""
    limit: int = 0
    remaining: int = 0
    reset: float = 0.0
    retry_after: float = 0.0
    window: str = ""


FREE = Ruling(True)
# No ruling yet: what the key has used of its day or month is to be asked of the ledger first.
UNCOUNTED = Ruling(True, "uncounted")


class Window:
    """A window that slides by its slots."""

    def __init__(self, name: str, code: str, length: float) -> None:
        self.name = name
        self.code = code
        self.spans = SLOTS  # slots that count, the present one among them
        self.kept = int(length + 2 * length / SLOTS)  # seconds that a count is of use
        self._rate = SLOTS / length

    def slot(self, now: float) -> int:
        """The number of the slot that `now` falls into."""
        return int(now * self._rate)

    def free_at(self, slot: int) -> float:
        """When the calls of a slot count no more."""
        return (slot + self.spans) / self._rate


class Calendar(Window):
    """The calendar's months, in UTC: one slot each."""

    def __init__(self, name: str, code: str) -> None:
        super().__init__(name, code, 32 * DAY)
        self.spans = 1
        self._last = (0.0, 0.0, 0)  # start, end and slot of the month asked for last

    def slot(self, now: float) -> int:
        start, end, slot = self._last
        if not start <= now < end:
            at = datetime.fromtimestamp(now, UTC)
            slot = at.year * 12 + at.month - 1
            self._last = month_start(slot).timestamp(), month_start(slot + 1).timestamp(), slot
        return slot

    def free_at(self, slot: int) -> float:
        _, end, last = self._last
        return end if slot == last else month_start(slot + 1).timestamp()


def month_start(slot: int) -> datetime:
    """The beginning of the month that is a calendar's slot."""
    return datetime(slot // 12, slot % 12 + 1, 1, tzinfo=UTC)


WINDOWS = (
    Window("minute", "rate_limited", MINUTE),
    Window("day", "quota_exceeded", DAY),
    Calendar("month", "quota_exceeded"),
)
LASTING = (1, 2)  # which of them outlive a process, and are asked of the ledger


@dataclass(slots=True)
class Count:
    """What was used of one window, oldest slot first."""

    slots: dict[int, int] = field(default_factory=dict)
    used: int = 0
    newest: int = 0
    until: float = 0.0  # when the newest slot ends

    @classmethod
    def of(cls, slots: Slots) -> "Count":
        return cls(dict(sorted(slots.items())), used=sum(slots.values()))

    def move(self, window: Window, now: float) -> None:
        """Forgets what is past. Needed from `until` on: a clock that goes back counts there."""
        self.newest = window.slot(now)
        self.until = window.free_at(self.newest - window.spans + 1)
        last = self.newest - window.spans
        for slot in list(self.slots):
            if slot > last:
                break
            self.used -= self.slots.pop(slot)

    def add(self) -> None:
        self.slots[self.newest] = self.slots.get(self.newest, 0) + 1
        self.used += 1

    def seconds_until(self, calls: int, window: Window, now: float) -> float:
        """Seconds until `calls` of the counted ones are past, or else a call of now is."""
        for slot, count in self.slots.items():
            calls -= count
            if calls <= 0:
                return max(window.free_at(slot) - now, 0.0)
        return max(window.free_at(window.slot(now)) - now, 0.0)


Counted = tuple[Window, int, Count]  # with its limit


def rule(counted: list[Counted], now: float) -> Ruling:
    """The ruling for one more call; the tightest window speaks in the headers."""
    tightest: Counted | None = None
    least = 0
    for one in counted:
        window, limit, count = one
        left = limit - count.used - 1
        if left < 0:
            seconds = count.seconds_until(-left, window, now)
            return Ruling(False, window.code, limit, 0, seconds, seconds, window.name)
        if tightest is None or left < least:
            tightest, least = one, left
    if tightest is None:
        return FREE
    window, limit, count = tightest
    return Ruling(True, "", limit, least, count.seconds_until(1, window, now))


def full(limit: int) -> Ruling:
    return Ruling(
        False, "concurrency_limited", limit, 0, CONCURRENCY_RETRY, retry_after=CONCURRENCY_RETRY
    )
