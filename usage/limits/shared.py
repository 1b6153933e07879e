"""Limits that several processes count together in Redis: one script, one round trip.

Calls are counted by the block (`usage.limits.blocks`). A permit to run at the same time is a
lease, renewed while its call lives (`usage.limits.leases`), so that a process that dies leaves
none for longer than LEASE.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import redis

from usage.limits.memory import Used
from usage.limits.windows import UNCOUNTED, WINDOWS, Count, Counted, Limits, Ruling, full, rule

LEASE = 60.0  # seconds
REDIS_TIMEOUT = 0.25  # seconds
SPARE = 10  # of what is left of a window, a block takes this fraction at most

Permits = set[tuple[str, str]]  # key and call: one call may hold permits of several keys


class Back(NamedTuple):
    """Calls that were counted and not made."""

    key: str
    calls: int
    at: float  # when they were counted


# KEYS: the slots of minute, day, month; permits. ARGV: the windows' limits (-1: none), their
# present slots and spans, how long each is kept; 13: calls at once, now, call, lease; 17: calls
# asked for, spare; 19: calls to give back and, of each window, the slot they were counted in.
# Answers refused (0 no, 1 window, 2 concurrency, 3 uncounted), the calls granted and each window
# as slot, calls, … before this.
_TAKE = """
local function arg(n) return tonumber(ARGV[n]) end
local permits, now, back = arg(13), arg(14), arg(19)
local refused, free, windows = 0, arg(17) * arg(18), {{}, {}, {}}
for i = 1, 3 do
  if arg(i) < 0 then redis.call('DEL', KEYS[i])
  elseif i > 1 and redis.call('EXISTS', KEYS[i]) == 0 then refused = 3
  else
    if back > 0 then
      local there = redis.call('HGET', KEYS[i], ARGV[19 + i])
      if there then
        redis.call('HSET', KEYS[i], ARGV[19 + i], math.max(tonumber(there) - back, 0))
      end
    end
    local found, used, all = {}, 0, redis.call('HGETALL', KEYS[i])
    for n = 1, #all, 2 do
      if tonumber(all[n]) <= arg(3 + i) - arg(6 + i) then redis.call('HDEL', KEYS[i], all[n])
      else
        found[#found + 1], found[#found + 2] = tonumber(all[n]), tonumber(all[n + 1])
        used = used + tonumber(all[n + 1])
      end
    end
    windows[i] = found
    if used + 1 > arg(i) and refused == 0 then refused = 1 end
    free = math.min(free, arg(i) - used)
  end
end
if permits >= 0 and refused ~= 3 then
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
  if redis.call('ZCARD', KEYS[4]) >= permits then refused = 2 end
end
if refused ~= 0 then return {refused, 0, windows[1], windows[2], windows[3]} end
local granted = math.max(1, math.min(arg(17), math.floor(free / arg(18))))
for i = 1, 3 do
  if arg(i) >= 0 then
    redis.call('HINCRBY', KEYS[i], ARGV[3 + i], granted)
    redis.call('EXPIRE', KEYS[i], ARGV[9 + i])
  end
end
if permits >= 0 then
  redis.call('ZADD', KEYS[4], now + arg(16), ARGV[15])
  redis.call('EXPIRE', KEYS[4], math.ceil(arg(16)))
end
return {0, granted, windows[1], windows[2], windows[3]}
"""

# KEYS: a window's slots. ARGV: how long they are kept, then slot, calls, …
_SEED = """
for n = 2, #ARGV, 2 do
  local there = tonumber(redis.call('HGET', KEYS[1], ARGV[n]) or -1)
  if tonumber(ARGV[n + 1]) > there then redis.call('HSET', KEYS[1], ARGV[n], ARGV[n + 1]) end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""

# KEYS: the slots of minute, day, month. ARGV: calls to give back, and from which slots.
_GIVE_BACK = """
for i = 1, 3 do
  local there = redis.call('HGET', KEYS[i], ARGV[1 + i])
  if there then
    redis.call('HSET', KEYS[i], ARGV[1 + i], math.max(tonumber(there) - ARGV[1], 0))
  end
end
"""


class Redis:
    """Counts shared by every process that knows the same Redis. Raises redis.RedisError."""

    def __init__(self, url: str, prefix: str = "keydeck:limits") -> None:
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT
        )
        self._prefix = prefix
        self._take = self._redis.register_script(_TAKE)
        self._seed = self._redis.register_script(_SEED)

    def take(self, key: str, call: str, limits: Limits, now: float) -> Ruling:
        """Counts one call, or refuses it; UNCOUNTED until `seed` told what was used before."""
        return self.take_block(key, call, limits, now, 1)[1]

    def take_block(
        self, key: str, call: str, limits: Limits, now: float, asked: int, back: Back | None = None
    ) -> tuple[int, Ruling]:
        """Counts up to `asked` calls: how many, and the ruling for the first of them."""
        bounds = limits.bounds
        permits = -1 if limits.concurrency is None else limits.concurrency
        given = back or Back(key, 0, now)
        refused, granted, *found = self._take(
            keys=[*self._windows_of(key), self._permits_of(key)],
            args=[
                *(-1 if bound is None else bound for bound in bounds),
                *(window.slot(now) for window in WINDOWS),
                *(window.spans for window in WINDOWS),
                *(window.kept for window in WINDOWS),
                *(permits, now, call, LEASE, asked, SPARE, given.calls),
                *(window.slot(given.at) for window in WINDOWS),
            ],
        )
        if refused == 3:
            return 0, UNCOUNTED
        if refused == 2:
            return 0, full(limits.concurrency or 0)
        counted: list[Counted] = [
            (window, limit, Count.of(dict(zip(flat[::2], flat[1::2], strict=True))))
            for window, limit, flat in zip(WINDOWS, bounds, found, strict=True)
            if limit is not None
        ]
        return granted, rule(counted, now)

    def seed(self, key: str, used: Used, now: float) -> None:
        """Counts at least what the ledger says, slot by slot: may be told again and again."""
        names = self._windows_of(key)
        for index, slots in used.items():
            window = WINDOWS[index]
            pairs = {window.slot(now): 0, **slots}
            flat = [number for pair in pairs.items() for number in pair]
            self._seed(keys=[names[index]], args=[window.kept, *flat])

    def give_back(self, unused: Iterable[Back]) -> None:
        """Takes back that calls were counted, where their slots are still there."""
        with self._redis.pipeline(transaction=False) as pipe:
            for key, calls, at in unused:
                slots = (window.slot(at) for window in WINDOWS)
                pipe.eval(_GIVE_BACK, len(WINDOWS), *self._windows_of(key), calls, *slots)
            pipe.execute()

    def release(self, permits: Permits) -> None:
        """Gives permits back."""
        with self._redis.pipeline(transaction=False) as pipe:
            for key, call in permits:
                pipe.zrem(self._permits_of(key), call)
            pipe.execute()

    def renew(self, permits: Permits, now: float) -> None:
        """Makes permits last for another lease, also where Redis has lost them meanwhile."""
        with self._redis.pipeline(transaction=False) as pipe:
            for key, call in permits:
                pipe.zadd(self._permits_of(key), {call: now + LEASE})
                pipe.expire(self._permits_of(key), math.ceil(LEASE))
            pipe.execute()

    def ping(self) -> None:
        self._redis.ping()

    def close(self) -> None:
        self._redis.close()

    def _windows_of(self, key: str) -> list[str]:
        return [f"{self._name(key)}:{window.name}" for window in WINDOWS]

    def _name(self, key: str) -> str:
        return f"{self._prefix}:{{{key}}}"

    def _permits_of(self, key: str) -> str:
        return f"{self._name(key)}:calls"
