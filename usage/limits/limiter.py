"""Limits as calls meet them: Redis where there is one, this process's memory while it is away.

With Redis away each process counts for itself from what the ledger tells, so that until Redis is
back a limit holds per process and not for all of them together: calls go on, and more of them may
be made, at most the limit by each process. It is said in /readyz and on the overview.

What a key has used of its day and month outlives a process and a Redis in the ledger. `take` says
UNCOUNTED when a key is met first, or when Redis has lost it or was away, and `seed` is told. The
ledger doesn't tell what spools still hold (less than a second of calls in the ordinary case), nor
refusals of ours that came after the limit (a pool without a usable key): the provider was not
asked for those.
"""

import threading
import time

import redis

from usage.limits.blocks import Blocks
from usage.limits.leases import Leases
from usage.limits.memory import Memory, Used
from usage.limits.shared import Redis
from usage.limits.windows import FREE, LASTING, UNCOUNTED, Limits, Ruling

RETRY_REDIS = 2.0  # seconds
MOST_SEEDED = 100_000  # keys that are known to be counted in Redis


class Limiter:
    """The one door for calls. `at_once` never waits for the network, `take` may."""

    def __init__(self, url: str = "", prefix: str = "keydeck:limits") -> None:
        self._memory = Memory()
        self._redis = Redis(url, prefix) if url else None
        self._leases = Leases(self._redis) if self._redis else None
        self._blocks = Blocks(self._redis) if self._redis else None
        self._seeded: set[tuple[str, int]] = set()  # key and window, in Redis
        self._lock = threading.Lock()
        self._away = False
        self._retry_at = 0.0

    @property
    def blocking(self) -> bool:
        """Whether a permit, to take or to give back, may wait for the network."""
        return self._redis is not None

    def at_once(self, key: str, call: str, limits: Limits, now: float) -> Ruling | None:
        """The ruling that can be given without waiting; None: `take` must be asked."""
        if not limits:
            return FREE
        if self._blocks is None or not self._tries_redis():
            return self._memory.take(key, call, limits, now)
        if limits.concurrency is not None:
            return None
        return self._blocks.spend(key, limits, now)

    def take(self, key: str, call: str, limits: Limits, now: float) -> Ruling:
        """Counts the call `call` of app key `key` at `now` (epoch seconds), or refuses it."""
        if not limits:
            return FREE
        if self._blocks is None or self._leases is None:
            return self._memory.take(key, call, limits, now)
        if self._away and not self._answers_again():
            return self._memory.take(key, call, limits, now)
        if not self._is_seeded(key, limits):
            return UNCOUNTED
        permits = limits.concurrency is not None
        try:
            ruling = self._blocks.ask(key, call, limits, now)
        except redis.RedisError:
            self._lost()
            if permits:  # it may have been given all the same
                self._leases.owe(key, call)
            return self._memory.take(key, call, limits, now)
        if ruling is UNCOUNTED:
            self._seeded.difference_update((key, index) for index in LASTING)
        elif permits and ruling.allowed:
            self._leases.hold(key, call)
        return ruling

    def counts(self, key: str, limits: Limits) -> bool:
        """Whether `seed` needn't be told."""
        if self._redis is None or self._away:
            return self._memory.counts(key, limits)
        return self._is_seeded(key, limits)

    def seed(self, key: str, used: Used, now: float) -> None:
        """Counts at least what the ledger says. May wait for the network."""
        if self._redis is not None and not self._away:
            try:
                self._redis.seed(key, used, now)
            except redis.RedisError:
                self._lost()
            else:
                if len(self._seeded) > MOST_SEEDED:
                    self._seeded.clear()
                self._seeded.update((key, index) for index in used)
                return
        self._memory.seed(key, used)

    def release(self, key: str, call: str, limits: Limits) -> None:
        """Gives the permit of a call back. May wait for the network where `take` gave it."""
        if limits.concurrency is None:
            return
        self._memory.release(key, call)
        if self._leases is None or not self._leases.holds(key, call):
            return
        if self._away:
            self._leases.owe(key, call)
            return
        try:
            self._leases.give_back(key, call)
        except redis.RedisError:
            self._lost()

    def status(self) -> str:
        """For readiness: memory, redis, or that Redis is away. May wait for the network."""
        if self._redis is None:
            return "memory"
        if self._tries_redis():
            self._answers_again()
        return "redis away, memory" if self._away else "redis"

    def close(self) -> None:
        if self._blocks is not None:
            self._blocks.close()
        if self._leases is not None:
            self._leases.close()
        if self._redis is not None:
            self._redis.close()

    def _is_seeded(self, key: str, limits: Limits) -> bool:
        bounds = limits.bounds
        return all(bounds[index] is None or (key, index) in self._seeded for index in LASTING)

    def _tries_redis(self) -> bool:
        """Whether Redis is asked: while it is away by one call in RETRY_REDIS, others go on."""
        if not self._away:
            return True
        with self._lock:
            due = time.monotonic() >= self._retry_at
            if due:
                self._retry_at = time.monotonic() + RETRY_REDIS
            return due

    def _lost(self) -> None:
        with self._lock:
            self._away = True
            self._retry_at = time.monotonic() + RETRY_REDIS

    def _answers_again(self) -> bool:
        """Asks Redis. If it was away, neither it nor this process has counted everything."""
        try:
            if self._redis is not None:
                self._redis.ping()
        except redis.RedisError:
            self._lost()
            return False
        with self._lock:
            if self._away:
                self._seeded.clear()
                self._memory = Memory()
                self._away = False
        return True
