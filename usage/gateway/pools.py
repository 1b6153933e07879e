"""Which key of a pool a call takes, and what this process has learnt of each.

Of the keys with the lowest priority the one with the fewest calls under way for its weight is
next, and among those equally busy each gets calls by its weight, evenly spread.
A provider key that was just refused or limited rests while another can work, and isn't asked at
all for as long as the provider limits it (each process learns that by itself); a version that was
just refused gives way to the previous one while their overlap lasts.
"""

import threading
from collections import Counter, OrderedDict

from keys.states import LAST_RESORT, USABLE, Verdict
from usage.gateway.records import Pool, PoolKey, SealedVersion

SIZE = 10_000  # keys, and jobs, remembered
REST = 30.0  # seconds a key rests after a refusal that names no time
UNTOLD = 1.0  # seconds a key isn't asked after a limit that names no time
LONGEST = 86400.0  # seconds; whoever is told more is asked again to make sure
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

    def left(self, name: tuple[str, ...], now: float) -> float:
        return max(0.0, self.get(name, 0.0) - now)


class Turns:
    """Who is next of a pool, by weight: a virtual time in which a call takes 1 / weight.

    A key that was away begins at the present time: it owes nothing and is owed nothing.
    """

    def __init__(self) -> None:
        self._ends: OrderedDict[str, float] = OrderedDict()  # key -> when its last call ended
        self._present: OrderedDict[tuple[str, str], float] = OrderedDict()  # of each pool

    def start(self, key: PoolKey) -> float:
        """When its next call would begin."""
        return max(self._ends.get(key.id, 0.0), self._present.get(_pool_of(key), 0.0))

    def take(self, key: PoolKey) -> None:
        begin = self.start(key)
        self._present[_pool_of(key)] = begin
        self._ends[key.id] = begin + 1 / key.weight
        for kept in (self._present, self._ends):
            while len(kept) > SIZE:
                kept.popitem(last=False)


def _pool_of(key: PoolKey) -> tuple[str, str]:
    return key.application, key.provider


class Rota:
    """Orders pools. `now` is epoch seconds."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._busy: Counter[str] = Counter()  # key -> calls under way in this process
        self._lock = threading.Lock()
        self._resting = Memory()
        self._told = Memory()
        self._refused = Memory()
        self._jobs: OrderedDict[tuple[str, str, str], str] = OrderedDict()

    def order(self, pool: Pool, now: float, preferred: str = "") -> list[PoolKey]:
        """The keys worth trying, best first: live before doubtful, exhausted last."""
        usable = [key for key in pool if key.verdict in USABLE or key.verdict in LAST_RESORT]
        if len(usable) < 2:
            return usable
        return sorted(usable, key=lambda key: self._rank(key, now, preferred))

    def _rank(self, key: PoolKey, now: float, preferred: str) -> tuple[float, ...]:
        return (
            key.id != preferred,
            key.verdict in LAST_RESORT,
            self._resting.holds((key.id,), now),
            key.priority,
            key.verdict is not Verdict.LIVE,
            self._busy[key.id] / key.weight,
            self._turns.start(key),
        )

    def begin(self, key: PoolKey) -> None:
        """A call goes out with this key; `end` when it came to its end."""
        with self._lock:
            self._busy[key.id] += 1
            self._turns.take(key)

    def end(self, key: PoolKey) -> None:
        with self._lock:
            self._busy[key.id] -= 1
            if self._busy[key.id] <= 0:
                del self._busy[key.id]

    def version(self, key: PoolKey, now: float) -> SealedVersion:
        """The version to send: current, unless it was just refused and the previous still runs."""
        previous = key.previous
        if previous is not None and self._refused.holds((key.id, str(key.current.number)), now):
            open_until = previous.retires_at
            if open_until is None or open_until > now:
                return previous
        return key.current

    def rest(self, key_id: str, now: float) -> None:
        """The provider refused this key: others are asked first for a while."""
        with self._lock:
            self._resting.note((key_id,), now + REST)

    def limited(self, key_id: str, seconds: float | None, now: float) -> None:
        """The provider limits this key's calls, for `seconds` if it said so."""
        with self._lock:
            self._resting.note((key_id,), now + max(seconds or 0.0, REST))
            self._told.note((key_id,), now + min(seconds or UNTOLD, LONGEST))

    def wait(self, key_id: str, now: float) -> float:
        """Seconds left in which the provider limits this key's calls, as this process learnt."""
        return self._told.left((key_id,), now) if self._told else 0.0

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
