"""Limits as calls meet them: Redis where there is one, this process's memory while it is away."""

import time

import redis

from usage.limits.leases import Leases
from usage.limits.memory import Memory
from usage.limits.shared import Redis
from usage.limits.windows import FREE, Limits, Ruling

RETRY_REDIS = 2.0  # seconds


class Limiter:
    """With Redis away each process counts for itself: the limit then holds per process."""

    def __init__(self, url: str = "", prefix: str = "keydeck:limits") -> None:
        self._memory = Memory()
        self._redis = Redis(url, prefix) if url else None
        self._leases = Leases(self._redis) if self._redis else None
        self._away_until = 0.0

    @property
    def blocking(self) -> bool:
        """Whether `take` may wait for the network."""
        return self._redis is not None

    def take(self, key: str, call: str, limits: Limits, now: float) -> Ruling:
        """Counts the call `call` of app key `key` at `now` (epoch seconds), or refuses it."""
        if not limits:
            return FREE
        if self._redis is not None and self._leases is not None and self._answers():
            permits = limits.concurrency is not None
            try:
                ruling = self._redis.take(key, call, limits, now)
            except redis.RedisError:
                self._away_until = time.monotonic() + RETRY_REDIS
                if permits:  # it may have been given all the same
                    self._leases.owe(key, call)
            else:
                if permits and ruling.allowed:
                    self._leases.hold(key, call)
                return ruling
        return self._memory.take(key, call, limits, now)

    def release(self, key: str, call: str, limits: Limits) -> None:
        """Gives the permit of a call back."""
        if limits.concurrency is None:
            return
        self._memory.release(key, call)
        if self._leases is None:
            return
        if not self._answers():
            self._leases.owe(key, call)
            return
        try:
            self._leases.give_back(key, call)
        except redis.RedisError:
            self._away_until = time.monotonic() + RETRY_REDIS

    def status(self) -> str:
        """For readiness: memory, redis, or that Redis is away."""
        if self._redis is None:
            return "memory"
        return "redis" if self._answers() else "redis away, memory"

    def close(self) -> None:
        if self._leases is not None:
            self._leases.close()
        if self._redis is not None:
            self._redis.close()

    def _answers(self) -> bool:
        return time.monotonic() >= self._away_until
