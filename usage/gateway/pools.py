"""Which key of a pool a call takes, and what this process has learnt of each.

A provider key that just answered 429 rests while another can work; a version that was just
refused gives way to the previous one while their overlap lasts.
"""

import threading
from collections import OrderedDict
from itertools import count

from keys.states import LAST_RESORT, USABLE, Verdict
from usage.gateway.records import Pool, PoolKey, SealedVersion

SIZE = 10_000  # keys, and jobs, remembered
REST = 30.0  # seconds a key rests after a 429 that names no time
LONGEST_REST = 300.0  # seconds
REFUSED_FOR = 60.0  # seconds a refused version gives way
JOB_ID_LENGTH = 100


class Memory(OrderedDict[tuple[str, ...], float]):
    """Bounded notes with an end."""

    def note(self, name: tuple[str, ...], until: float) -> None:
        self[name] = until
        self.move_to_end(name)
        while len(self) > SIZE:
            self.popitem(last=False)

    def holds(self, name: tuple[str, ...], now: float) -> bool:
        return bool(self) and self.get(name, 0.0) > now


class Rota:
    """Orders pools. `now` is epoch seconds."""

    def __init__(self) -> None:
        self._turn = count()
        self._lock = threading.Lock()
        self._resting = Memory()
        self._refused = Memory()
        self._jobs: OrderedDict[tuple[str, str, str], str] = OrderedDict()

    def order(self, pool: Pool, now: float, preferred: str = "") -> list[PoolKey]:
        """The keys worth trying, best first: live before doubtful, exhausted last."""
        if len(pool) == 1:
            return [key for key in pool if key.verdict in USABLE or key.verdict in LAST_RESORT]
        turn = next(self._turn)
        size = len(pool)
        usable = [
            (self._rank(key, now, preferred), (position - turn) % size, key)
            for position, key in enumerate(pool)
            if key.verdict in USABLE or key.verdict in LAST_RESORT
        ]
        return [key for _, _, key in sorted(usable, key=lambda entry: entry[:2])]

    def _rank(self, key: PoolKey, now: float, preferred: str) -> tuple[bool, bool, bool, bool]:
        return (
            key.id != preferred,
            key.verdict in LAST_RESORT,
            self._resting.holds((key.id,), now),
            key.verdict is not Verdict.LIVE,
        )

    def version(self, key: PoolKey, now: float) -> SealedVersion:
        """The version to send: current, unless it was just refused and the previous still runs."""
        previous = key.previous
        if previous is not None and self._refused.holds((key.id, str(key.current.number)), now):
            open_until = previous.retires_at
            if open_until is None or open_until > now:
                return previous
        return key.current

    def rest(self, key_id: str, seconds: float | None, now: float) -> None:
        with self._lock:
            self._resting.note((key_id,), now + min(seconds or REST, LONGEST_REST))

    def refused(self, key_id: str, number: int, now: float) -> None:
        with self._lock:
            self._refused.note((key_id, str(number)), now + REFUSED_FOR)

    # A job is fetched with the key that made it: its id means nothing to another account.

    def remember(self, application: str, provider: str, job: str, key_id: str) -> None:
        if 0 < len(job) <= JOB_ID_LENGTH:
            with self._lock:
                self._jobs[application, provider, job] = key_id
                while len(self._jobs) > SIZE:
                    self._jobs.popitem(last=False)

    def maker(self, application: str, provider: str, jobs: list[str]) -> str:
        """The id of the key that made one of these jobs, or empty."""
        for job in jobs if self._jobs else ():
            found = self._jobs.get((application, provider, job))
            if found is not None:
                return found
        return ""
