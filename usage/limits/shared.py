"""Limits that several processes count together in Redis: one script, one round trip.

A permit there is a lease, renewed while its call lives (`usage.limits.leases`), so that a
process that dies leaves none for longer than LEASE.
"""

import math
from typing import Any

import redis

from usage.limits.windows import DAY, MINUTE, SLOTS, Counted, Limits, Ruling, full, rule, slot_of

LEASE = 60.0  # seconds
REDIS_TIMEOUT = 0.25  # seconds

Permits = dict[str, str]  # call -> app key

# KEYS: minute's slots, day's slots, permits. ARGV: per_minute, per_day, concurrency (-1: none),
# present slot of minute and day, slots of a window, now, call, lease. Answers refused (0 no,
# 1 window, 2 concurrency) and both windows as slot, calls, … before this call.
_SCRIPT = """
local slots, permits, now = tonumber(ARGV[6]), tonumber(ARGV[3]), tonumber(ARGV[7])
local refused = 0
if permits >= 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  if redis.call('ZCARD', KEYS[3]) >= permits then refused = 2 end
end
local function live(key, present)
  local found, used, all = {}, 0, redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if tonumber(all[i]) <= present - slots then redis.call('HDEL', key, all[i])
    else
      found[#found + 1], found[#found + 2] = tonumber(all[i]), tonumber(all[i + 1])
      used = used + tonumber(all[i + 1])
    end
  end
  return found, used
end
local windows = {{}, {}}
for i = 1, 2 do
  local limit = tonumber(ARGV[i])
  if limit >= 0 then
    local used
    windows[i], used = live(KEYS[i], tonumber(ARGV[3 + i]))
    if used + 1 > limit and refused == 0 then refused = 1 end
  end
end
if refused == 0 then
  for i, life in ipairs({62, 87900}) do
    if tonumber(ARGV[i]) >= 0 then
      redis.call('HINCRBY', KEYS[i], ARGV[3 + i], 1)
      redis.call('EXPIRE', KEYS[i], life)
    end
  end
  if permits >= 0 then
    redis.call('ZADD', KEYS[3], now + tonumber(ARGV[9]), ARGV[8])
    redis.call('EXPIRE', KEYS[3], math.ceil(tonumber(ARGV[9])))
  end
end
return {refused, windows[1], windows[2]}
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
        bounds = (limits.per_minute, limits.per_day)
        name = self._name(key)
        refused, *found = self._script(
            keys=[f"{name}:minute", f"{name}:day", self._permits_of(key)],
            args=[
                *(-1 if bound is None else bound for bound in (*bounds, limits.concurrency)),
                slot_of(now, MINUTE),
                slot_of(now, DAY),
                SLOTS,
                now,
                call,
                LEASE,
            ],
        )
        if refused == 2:
            return full(limits.concurrency or 0)
        windows = [
            Counted(limit, length, sorted(zip(flat[::2], flat[1::2], strict=True)))
            for limit, length, flat in zip(bounds, (MINUTE, DAY), found, strict=True)
            if limit is not None
        ]
        return rule(windows, now)

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
