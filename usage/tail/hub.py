"""One reader for all followers of a process: one thread and one connection, only while there are
any. What was read lately is in memory; who is further behind reads by itself, in the same thread.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from django.db import Error, connection

from usage.models import Call
from usage.tail.reading import News, Place, newest, read

EVERY = 0.4  # seconds between two looks for what is new
KEPT = 1000  # calls in memory
LONGEST_PAUSE = 5.0  # seconds between two looks while the database is away

P = ParamSpec("P")
T = TypeVar("T")

_thread = ThreadPoolExecutor(1, thread_name_prefix="tail")


class Hub:
    """Of one event loop. `away`: the database doesn't answer."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.away = False
        self._calls: list[tuple[Place, Call]] = []
        self._start = self._end = Place(0, 0)  # what `_calls` covers: [start, end)
        self._followers = 0
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Event()  # set and replaced at every look

    @contextmanager
    def followed(self) -> Iterator[None]:
        """While a follower is there."""
        self._followers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._followers -= 1
            if not self._followers:
                self._task.cancel()
                self._task = None
                self._calls.clear()
                self._start = self._end = Place(0, 0)
                _thread.submit(_close)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does it in the thread that all followers share. Raises what it raises."""
        return await self.loop.run_in_executor(_thread, lambda: _once(work, *args, **kwargs))

    async def turn(self) -> None:
        """Waits for the next look."""
        await self._turn.wait()

    async def since(self, place: Place) -> News:
        """What was stored from a place on. Raises database errors."""
        if not self._start <= place <= self._end or self._end.number == 0:
            return await self.run(read, place)
        first = bisect_right(self._calls, place, key=lambda one: one[0])
        return News(self._calls[first:], self._end)

    async def _look(self) -> None:
        pause = EVERY
        while True:
            try:
                await self._read_on()
                self.away, pause = False, EVERY
            except Error:
                self.away, pause = True, min(pause * 2, LONGEST_PAUSE)
            self._turn.set()
            self._turn = asyncio.Event()
            await asyncio.sleep(pause)

    async def _read_on(self) -> None:
        if self._end.number == 0:
            self._start = self._end = await self.run(newest)
            return
        news = await self.run(read, self._end)
        if news.missed:  # a database put back: whoever follows finds out by reading alone
            self._calls, self._start, self._end = [], news.behind, news.behind
            return
        self._calls += news.calls
        self._end = news.behind
        if len(self._calls) > KEPT:
            del self._calls[:-KEPT]
            self._start = self._calls[0][0]


def _once(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    except Error:
        connection.close()  # the next try begins with a new one
        raise


def _close() -> None:
    connection.close()  # which connection that is, is for the thread to say


_hub: Hub | None = None


def mine() -> Hub:
    """The hub of the running loop."""
    global _hub
    if _hub is None or _hub.loop is not asyncio.get_running_loop():
        _hub = Hub()
    return _hub
