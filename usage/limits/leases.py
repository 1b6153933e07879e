"""The permits that this process holds in Redis: renewed while their calls live, then given back.

What could not be given back is kept and tried again until it is.
"""

import contextlib
import threading
import time

import redis

from usage.limits.shared import LEASE, Permits, Redis

RENEW = LEASE / 3  # seconds
RETRY = 2.0  # seconds


class Leases:
    """The thread runs from the first permit on."""

    def __init__(self, shared: Redis) -> None:
        self._shared = shared
        self._open: Permits = set()
        self._owed: Permits = set()
        self._lock = threading.Lock()
        self._stirred = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def hold(self, key: str, call: str) -> None:
        """Keeps a permit that Redis gave."""
        with self._lock:
            self._open.add((key, call))
            self._start()

    def holds(self, key: str, call: str) -> bool:
        return (key, call) in self._open

    def owe(self, key: str, call: str) -> None:
        """Gives a permit back, held or perhaps given unheard, when Redis answers again."""
        with self._lock:
            self._open.discard((key, call))
            if not self._owed:
                self._stirred.set()
            self._owed.add((key, call))
            self._start()

    def give_back(self, key: str, call: str) -> None:
        """Gives a permit back. Raises redis.RedisError, and tries again later."""
        with self._lock:
            self._open.discard((key, call))
        try:
            self._shared.release({(key, call)})
        except redis.RedisError:
            self.owe(key, call)
            raise

    def tend(self, now: float) -> None:
        """Renews what is open and gives back what is owed. Raises redis.RedisError."""
        with self._lock:
            renewed = set(self._open)
        if renewed:
            self._shared.renew(renewed, now)
        with self._lock:
            # A call that ended meanwhile gave its permit back before it was renewed.
            owed = (renewed - self._open) | self._owed
        if owed:
            self._shared.release(owed)
        with self._lock:
            self._owed -= owed

    def close(self) -> None:
        """Ends the thread, which gives back what is left: the process takes no more calls."""
        self._closing = True
        self._stirred.set()
        if self._thread is not None:
            self._thread.join(timeout=RETRY)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closing:
            if self._stirred.wait(RETRY if self._owed else RENEW):
                self._stirred.clear()  # something is owed since, and Redis has just failed
                continue
            with contextlib.suppress(redis.RedisError):
                self.tend(time.time())
        with contextlib.suppress(redis.RedisError):
            self._shared.release(self._open | self._owed)
