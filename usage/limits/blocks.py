"""Calls counted in Redis by the block and spent in the process: most ask nobody.

A process asks for a block of a key's calls; Redis counts all of them at once in the minute's,
day's and month's present slots. They are spent within the second they were counted in (a slot of
the minute), so that they weigh on every window as if each had been counted when it was made.

The bounds. As long as Redis keeps its counts, more calls than the limit are never made (in any
window of 59 of its 60 slots, as without blocks). Fewer may be, since a call is refused while
another process holds calls unspent: at most (processes - 1) x block, where

    block <= max(1, limit // SHARE)             of the smallest limit
    block <= max(1, what is left // SPARE)      so near the limit a block is one call
    block <= what the process made in this second, or else in the last (at first one call)

and to the end of the second, when it is given back. A process that dies does not give it back:
its block, no more calls than it made in its last second, counts as made until its slot is past.
That is a minute, a day, and of a month its end. A refusal holds for the rest of its second, so
that a caller who doesn't stop costs no round trips.

A key with a limit of calls at once is asked for call by call: a permit held idle here would refuse
a call elsewhere that fits.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from usage.limits.shared import Back, Redis
from usage.limits.windows import UNCOUNTED, Limits, Ruling

SHARE = 20
LIFE = 1.0  # seconds: a slot of the minute
_STRIPES = 64


@dataclass(slots=True)
class _Block:
    limits: Limits
    second: int
    at: float
    size: int
    left: int
    ruling: Ruling  # of the first call, or the refusal
    before: int = 0  # calls of this second that earlier blocks were spent on
    spare: int = 0  # what was given back

    @property
    def made(self) -> int:
        """Calls of this second."""
        return self.before + self.size - self.left - self.spare

    def rules(self, now: float) -> Ruling | None:
        """The ruling for one call more; None: there is none, Redis must be asked."""
        first, since = self.ruling, now - self.at
        if not first.allowed:
            wait = max(first.retry_after - since, 0.001)
            return first._replace(reset=wait, retry_after=wait)
        if not self.left:
            return None
        self.left -= 1
        remaining = max(first.remaining - (self.size - self.left - 1), 0)
        return Ruling(True, "", first.limit, remaining, max(first.reset - since, 0.0))


class Blocks:
    """The blocks in hand. A thread gives back what is left of them, and ends with the last."""

    def __init__(self, shared: Redis, clock: Callable[[], float] = time.time) -> None:
        self._shared = shared
        self._clock = clock
        self._blocks: dict[str, _Block] = {}
        self._lock = threading.Lock()
        # One call of a key asks for all that wait meanwhile.
        self._asking = [threading.Lock() for _ in range(_STRIPES)]
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def spend(self, key: str, limits: Limits, now: float) -> Ruling | None:
        """The ruling for a call from what is in hand; None: ask."""
        with self._lock:
            block = self._blocks.get(key)
            # Other limits than the block was asked under are other limits.
            if block is None or block.second != int(now):
                return None
            if block.limits is not limits and block.limits != limits:
                return None
            return block.rules(now)

    def ask(self, key: str, call: str, limits: Limits, now: float) -> Ruling:
        """The ruling for a call, with a new block where it takes one. Raises redis.RedisError."""
        with self._asking[hash(key) % _STRIPES]:
            ruling = self.spend(key, limits, now)
            if ruling is not None:
                return ruling
            with self._lock:
                old = self._blocks.pop(key, None)
            asked = _size(old, limits, now)
            back = Back(key, old.left, old.at) if old and old.left else None
            granted, ruling = self._shared.take_block(key, call, limits, now, asked, back)
            if ruling is not UNCOUNTED and limits.concurrency is None:
                block = _Block(limits, int(now), now, granted, max(granted - 1, 0), ruling)
                if old is not None and old.second == block.second:
                    block.before = old.made
                with self._lock:
                    self._blocks[key] = block
                    self._start()
            return ruling

    def tend(self, now: float | None) -> None:
        """Gives back what its second didn't spend, or everything. Raises redis.RedisError."""
        unused = []
        with self._lock:
            for key, block in list(self._blocks.items()):
                if now is not None and block.second == int(now):
                    continue
                if block.left:
                    unused.append(Back(key, block.left, block.at))
                block.spare, block.left = block.left, 0
                if now is None or abs(now - block.at) > 2 * LIFE:
                    del self._blocks[key]
        if unused:
            self._shared.give_back(unused)

    def close(self) -> None:
        """Gives everything back: the process takes no more calls."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=LIFE)
        with contextlib.suppress(redis.RedisError):
            self.tend(None)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="blocks", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(LIFE - self._clock() % LIFE):
            with contextlib.suppress(redis.RedisError):
                self.tend(self._clock())
            with self._lock:
                if not self._blocks:
                    self._thread = None
                    return


def _size(old: _Block | None, limits: Limits, now: float) -> int:
    """How many calls to ask for, by how many were made in this second or the last."""
    if old is None or limits.concurrency is not None or abs(now - old.at) > 2 * LIFE:
        return 1
    share = min(limit // SHARE for limit in limits.bounds if limit is not None)
    return max(1, min(old.made, share))
