"""What this process knows of keys, pools and providers (DESIGN decision 11).

A thread of its own reads the database: it polls the change counter, and loads what a call
asks for and the cache hasn't. Any change makes every entry old at once. With the database
away, known entries serve on until GATEWAY_STALE. No plaintext is ever kept.
"""

import os
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import DatabaseError, Error, connection

from keys import changes, vault
from keys.providers.base import ProviderSpec
from usage.gateway import loading
from usage.gateway.records import AppKeyRecord, Pool

POLL = 0.4  # seconds; with a load under way a change is still seen within 0.5 s
SIZE = 20_000  # entries of each kind
UNKNOWN_SIZE = 20_000  # guessed keys remembered as unknown
WAIT = 5.0  # seconds for one load

K = TypeVar("K")
V = TypeVar("V")
Job = Callable[[], V]


class Unavailable(Exception):
    """Not known here, and the database can't be asked."""


@dataclass(slots=True)
class Entry(Generic[V]):
    value: V
    generation: int


class Shelf(Generic[K, V]):
    """Entries of one kind, least recently used dropped first. `load` reads one."""

    def __init__(self, load: Callable[[K], V], size: int = SIZE) -> None:
        self.load = load
        self._size = size
        self._known: OrderedDict[K, Entry[V]] = OrderedDict()
        # Apart from the known ones: a flood of guesses must not push keys in use out.
        self._empty: OrderedDict[K, Entry[V]] = OrderedDict()

    def get(self, name: K) -> Entry[V] | None:
        found = self._known.get(name)
        return found if found is not None else self._empty.get(name)

    def holds(self, name: K) -> bool:
        """Whether there is something of that name, be the entry old."""
        return name in self._known

    def put(self, name: K, entry: Entry[V]) -> None:
        kept, other, size = self._known, self._empty, self._size
        if not entry.value:
            kept, other, size = other, kept, UNKNOWN_SIZE
        other.pop(name, None)
        kept[name] = entry
        kept.move_to_end(name)
        while len(kept) > size:
            kept.popitem(last=False)


class Directory:
    """The cache and its thread. `find_…` answer at once or hand out a Future."""

    def __init__(self, stale: float | None = None) -> None:
        self.app_keys: Shelf[str, AppKeyRecord | None] = Shelf(loading.app_key)
        self.pools: Shelf[tuple[str, str], Pool] = Shelf(loading.pool)
        self.specs: Shelf[str, ProviderSpec | None] = Shelf(loading.spec)
        self.applications: Shelf[str, str | None] = Shelf(loading.application)
        self._stale = settings.GATEWAY_STALE if stale is None else stale
        self._generation = 0
        self._counter: int | None = None
        self._seen_at = float("-inf")  # monotonic time of the last poll that went well
        self._due = 0.0  # monotonic time of the next poll
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Starts the thread unless it runs."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="directory", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Ends the thread and closes its database connection."""
        with self._starting:
            if self._thread is not None:
                self._jobs.put(None)
                self._thread.join(timeout=WAIT)
                self._thread = None

    @property
    def age(self) -> float:
        """Seconds since the database was last heard of."""
        return time.monotonic() - self._seen_at

    @property
    def fresh(self) -> bool:
        return self.age < 3 * POLL

    @property
    def serving(self) -> bool:
        """Whether entries may still be served."""
        return self.age <= self._stale

    def known(self, shelf: Shelf[K, V], name: K) -> Entry[V] | None:
        """The entry if it may be served now: none newer is to be had, or the database is away."""
        entry = shelf.get(name)
        if entry is None or time.monotonic() - self._seen_at > self._stale:  # not `serving`
            return None
        if entry.generation == self._generation and (entry.value or self.fresh):
            return entry
        return None

    def load(self, shelf: Shelf[K, V], name: K) -> "Future[V]":
        """Asks the thread for an entry. The Future may raise Unavailable."""
        self.start()
        future: Future[V] = Future()
        self._jobs.put((lambda: self._load(shelf, name), future))
        return future

    def find(self, shelf: Shelf[K, V], name: K) -> V:
        """The entry, waiting for the thread when it isn't known. Raises Unavailable."""
        entry = self.known(shelf, name)
        return entry.value if entry is not None else self.load(shelf, name).result(WAIT)

    def run(self, job: Job[V]) -> "Future[V]":
        """Runs `job`, which may use the database, in the thread."""
        self.start()
        future: Future[V] = Future()
        self._jobs.put((job, future))
        return future

    # Below: in the thread.

    def _run(self) -> None:
        try:
            while True:
                self._poll_if_due()
                try:
                    item = self._jobs.get(timeout=max(0.0, self._due - time.monotonic()))
                except queue.Empty:
                    continue
                if item is None:
                    return
                # Had the whole process stood still, the database would be taken for away.
                self._poll_if_due()
                _settle(*item)
        finally:
            connection.close()

    def _poll_if_due(self) -> None:
        if time.monotonic() >= self._due:
            self._poll()
            self._due = time.monotonic() + POLL

    def _poll(self) -> None:
        # The thread keeps its one connection as long as it works.
        try:
            counter = changes.current()
            if counter != self._counter:
                vault.recheck()
        except Error:
            connection.close()
            return
        if counter != self._counter:
            self._counter = counter
            self._generation += 1
        self._seen_at = time.monotonic()

    def _load(self, shelf: Shelf[K, V], name: K) -> V:
        # A job before this one may have loaded it, or the first poll has yet to come.
        entry = self.known(shelf, name)
        if entry is not None:
            return entry.value
        entry = shelf.get(name)
        generation = self._generation
        try:
            if not self.fresh:
                raise DatabaseError  # the poll looks whether it's back; callers don't wait
            value = shelf.load(name)
        except Error as error:
            if entry is not None and entry.value and self.serving:
                return entry.value
            raise Unavailable from error
        shelf.put(name, Entry(value, generation))
        return value


def _settle(job: Callable[[], Any], future: "Future[Any]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except BaseException as error:  # the thread must outlive a job; its asker gets the error
        future.set_exception(error)


_mine: Directory | None = None
_making = threading.Lock()


def mine() -> Directory:
    """This process's directory, made on first use."""
    global _mine
    if _mine is None:
        with _making:
            if _mine is None:
                _mine = Directory()
    return _mine


def forget() -> None:
    """Drops this process's directory and ends its thread; for shutdown and tests."""
    global _mine
    found, _mine = _mine, None
    if found is not None:
        found.stop()


def _after_fork() -> None:
    # The thread stayed in the parent, and a lock may have been held there.
    global _mine, _making
    _mine, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
