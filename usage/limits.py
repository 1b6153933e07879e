"""Limits of an app key: calls per minute, per day, and at once.

A sliding window counter: the last window's count fades out as the present one grows, so
there is no moment at which a caller may send twice the limit. One process counts in
memory; several share Redis (one script, one round trip). With Redis away each process
counts for itself, which `status` shows: the limit then holds per process.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis

MINUTE = 60.0
DAY = 86400.0
LEASE = 3600.0  # seconds after which a permit of a process that died is free again
RETRY_REDIS = 2.0  # seconds
REDIS_TIMEOUT = 0.25  # seconds
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


class Backend(Protocol):
    def take(self, key: str, call: str, limits: Limits, now: float) -> Ruling: ...
    def release(self, key: str, call: str) -> None: ...


@dataclass(slots=True)
class _Account:
    minute: Window = field(default_factory=Window)
    day: Window = field(default_factory=Window)
    calls: dict[str, float] = field(default_factory=dict)


class Memory:
    """Counts of this process, bounded; keys at rest are forgotten first."""

    def __init__(self, size: int = 100_000) -> None:
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._size = size
        self._lock = threading.Lock()

    def take(self, key: str, call: str, limits: Limits, now: float) -> Ruling:
        with self._lock:
            account = self._account(key)
            held = self._held(account, limits, now)
            if held is not None:
                return held
            rows = []
            for limit, length, window in (
                (limits.per_minute, MINUTE, account.minute),
                (limits.per_day, DAY, account.day),
            ):
                if limit is not None:
                    number, rest = divmod(now, length)
                    window.roll(int(number))
                    rows.append((limit, length, window.count, window.before, rest / length))
            ruling = rule(rows)
            if ruling.allowed:
                account.minute.count += limits.per_minute is not None
                account.day.count += limits.per_day is not None
                if limits.concurrency is not None:
                    account.calls[call] = now + LEASE
            return ruling

    def release(self, key: str, call: str) -> None:
        with self._lock:
            account = self._accounts.get(key)
            if account is not None:
                account.calls.pop(call, None)

    def _account(self, key: str) -> _Account:
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account()
            if len(self._accounts) > self._size:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(key)
        return account

    @staticmethod
    def _held(account: _Account, limits: Limits, now: float) -> Ruling | None:
        if limits.concurrency is None or len(account.calls) < limits.concurrency:
            return None
        for call in [call for call, until in account.calls.items() if until <= now]:
            del account.calls[call]
        if len(account.calls) < limits.concurrency:
            return None
        return _full(limits.concurrency)


def _full(limit: int) -> Ruling:
    return Ruling(
        False, "concurrency_limited", limit, 0, CONCURRENCY_RETRY, retry_after=CONCURRENCY_RETRY
    )


# KEYS: minute now, minute before, day now, day before, permits. ARGV: per_minute, per_day,
# concurrency (-1: none), shares of minute and day, now, call, lease. Answers refused (0 no,
# 1 window, 2 concurrency) and the four counts as they were before this call.
_SCRIPT = """
local counts = {}
for i = 1, 4 do counts[i] = tonumber(redis.call('GET', KEYS[i]) or '0') end
local minute, day, permits = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now, refused = tonumber(ARGV[6]), 0
if permits >= 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
  if redis.call('ZCARD', KEYS[5]) >= permits then refused = 2 end
end
local function over(limit, count, before, share)
  return limit >= 0 and before * (1 - share) + count + 1 > limit + 1e-9
end
if refused == 0 and (over(minute, counts[1], counts[2], tonumber(ARGV[4]))
    or over(day, counts[3], counts[4], tonumber(ARGV[5]))) then refused = 1 end
if refused == 0 then
  if minute >= 0 then redis.call('INCR', KEYS[1]) redis.call('EXPIRE', KEYS[1], 121) end
  if day >= 0 then redis.call('INCR', KEYS[3]) redis.call('EXPIRE', KEYS[3], 172801) end
  if permits >= 0 then
    redis.call('ZADD', KEYS[5], now + tonumber(ARGV[8]), ARGV[7])
    redis.call('EXPIRE', KEYS[5], math.ceil(tonumber(ARGV[8])))
  end
end
return {refused, counts[1], counts[2], counts[3], counts[4]}
"""


class Redis:
    """Counts shared by every process that knows the same Redis. Raises redis.RedisError."""

    def __init__(self, url: str, prefix: str = "keydeck:limits") -> None:
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT
        )
        self._prefix = prefix
        self._script = self._redis.register_script(_SCRIPT)

    def take(self, key: str, call: str, limits: Limits, now: float) -> Ruling:
        minute, in_minute = divmod(now, MINUTE)
        day, in_day = divmod(now, DAY)
        shares = (in_minute / MINUTE, in_day / DAY)
        name = f"{self._prefix}:{{{key}}}"
        names = [f"{name}:m{int(minute)}", f"{name}:m{int(minute) - 1}"]
        names += [f"{name}:d{int(day)}", f"{name}:d{int(day) - 1}", f"{name}:calls"]
        bounds = [
            -1 if bound is None else bound
            for bound in (limits.per_minute, limits.per_day, limits.concurrency)
        ]
        refused, *counts = self._script(keys=names, args=[*bounds, *shares, now, call, LEASE])
        if refused == 2:
            return _full(limits.concurrency or 0)
        rows = []
        if limits.per_minute is not None:
            rows.append((limits.per_minute, MINUTE, counts[0], counts[1], shares[0]))
        if limits.per_day is not None:
            rows.append((limits.per_day, DAY, counts[2], counts[3], shares[1]))
        return rule(rows)

    def release(self, key: str, call: str) -> None:
        self._redis.zrem(f"{self._prefix}:{{{key}}}:calls", call)

    def close(self) -> None:
        self._redis.close()


class Limiter:
    """Redis where there is one, this process's memory while it is away."""

    def __init__(self, url: str = "", prefix: str = "keydeck:limits") -> None:
        self._memory = Memory()
        self._redis = Redis(url, prefix) if url else None
        self._away_until = 0.0

    @property
    def blocking(self) -> bool:
        """Whether `take` may wait for the network."""
        return self._redis is not None

    def take(self, key: str, call: str, limits: Limits, now: float) -> Ruling:
        """Counts the call `call` of app key `key` at `now` (epoch seconds), or refuses it."""
        if not limits:
            return FREE
        if self._redis is not None and time.monotonic() >= self._away_until:
            try:
                return self._redis.take(key, call, limits, now)
            except redis.RedisError:
                self._away_until = time.monotonic() + RETRY_REDIS
        return self._memory.take(key, call, limits, now)

    def release(self, key: str, call: str, limits: Limits) -> None:
        """Gives the permit of a call back."""
        if limits.concurrency is None:
            return
        self._memory.release(key, call)
        if self._redis is not None and time.monotonic() >= self._away_until:
            try:
                self._redis.release(key, call)
            except redis.RedisError:
                self._away_until = time.monotonic() + RETRY_REDIS

    def status(self) -> str:
        """For readiness: memory, redis, or that Redis is away."""
        if self._redis is None:
            return "memory"
        return "redis" if time.monotonic() >= self._away_until else "redis away, memory"

    def close(self) -> None:
        if self._redis is not None:
            self._redis.close()
