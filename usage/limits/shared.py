"""Limits that several processes count together in Redis: one script, one round trip.

A permit there is a lease, renewed while its call lives (`usage.limits.leases`), so that a
process that dies leaves none for longer than LEASE.
"""

import math
from typing import Any

import redis

from usage.limits.windows import DAY, MINUTE, Limits, Ruling, full, rule

LEASE = 60.0  # seconds
REDIS_TIMEOUT = 0.25  # seconds

Permits = dict[str, str]  # call -> app key

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
        name = self._name(key)
        names = [f"{name}:m{int(minute)}", f"{name}:m{int(minute) - 1}"]
        names += [f"{name}:d{int(day)}", f"{name}:d{int(day) - 1}", self._permits_of(key)]
        bounds = [
            -1 if bound is None else bound
            for bound in (limits.per_minute, limits.per_day, limits.concurrency)
        ]
        refused, *counts = self._script(keys=names, args=[*bounds, *shares, now, call, LEASE])
        if refused == 2:
            return full(limits.concurrency or 0)
        rows = []
        if limits.per_minute is not None:
            rows.append((limits.per_minute, MINUTE, counts[0], counts[1], shares[0]))
        if limits.per_day is not None:
            rows.append((limits.per_day, DAY, counts[2], counts[3], shares[1]))
        return rule(rows)

    def release(self, permits: Permits) -> None:
        """Gives permits back."""
        with self._redis.pipeline(transaction=False) as pipe:
            for call, key in permits.items():
                pipe.zrem(self._permits_of(key), call)
            pipe.execute()

    def renew(self, permits: Permits, now: float) -> None:
        """Makes permits last for another lease, also where Redis has lost them meanwhile."""
        with self._redis.pipeline(transaction=False) as pipe:
            for call, key in permits.items():
                pipe.zadd(self._permits_of(key), {call: now + LEASE})
                pipe.expire(self._permits_of(key), math.ceil(LEASE))
            pipe.execute()

    def close(self) -> None:
        self._redis.close()

    def _name(self, key: str) -> str:
        return f"{self._prefix}:{{{key}}}"

    def _permits_of(self, key: str) -> str:
        return f"{self._name(key)}:calls"
