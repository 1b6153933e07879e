"""Answers that go on and on: made on the server's loop once Django is done with the request.

Under ASGI Django holds a thread and a database connection for each request until its answer has
ended, and takes a synchronous body whole into memory before it sends any of it. A view that
answers with a `Stream` has checked everything; the body is then sent by `streamed`, around Django.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, Protocol

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse

from config.bodies import ENDLESS

logger = logging.getLogger(__name__)

HANDED = "keydeck.stream"  # in the scope of a request that is answered by a stream
THREADS = 2  # that read pages for all exports of a process: what they hold of the database


class Body(Protocol):
    """What a stream sends. One that is endless doesn't keep the server from stopping."""

    endless: bool

    def parts(self) -> AsyncIterator[bytes]:
        """Its bytes as they come. A database error breaks the answer off, visibly."""

    def close(self) -> None:
        """Called once, whether it was sent, broke off or was never begun."""


class Stream(HttpResponse):
    """An answer of 200 whose body is sent by `streamed`. Elsewhere (WSGI) it is empty."""

    def __init__(self, request: HttpRequest, body: Body, content_type: str) -> None:
        super().__init__(content_type=content_type)
        scope = getattr(request, "scope", {})
        if HANDED in scope:
            scope[HANDED] = body
            scope[ENDLESS] = body.endless
        else:
            body.close()
        self["X-Accel-Buffering"] = "no"  # a proxy in front passes on what comes as it comes


class Full(Exception):
    """No place is free."""


class Places:
    """How many streams of one kind a process has open, in all and of each person."""

    def __init__(self, most: int, each: int) -> None:
        self.most, self.each = most, each
        self._taken: Counter[int] = Counter()
        self._guard = threading.Lock()

    def take(self, person: int) -> None:
        """Raises Full."""
        with self._guard:
            if self._taken[person] >= self.each:
                raise Full(f"You have {self.each} of these open already: close one.")
            if self._taken.total() >= self.most:
                raise Full("Too many of these are open: try again later.")
            self._taken[person] += 1

    def give_back(self, person: int) -> None:
        with self._guard:
            self._taken[person] -= 1
            self._taken += Counter()  # forgets who has none


def streamed(app: Any) -> Any:
    """The ASGI `app`, with the body of each Stream sent behind it."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        start: dict[str, Any] | None = None

        async def held(message: dict[str, Any]) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and scope[HANDED] is not None:
                start = message if message["status"] == 200 else None
            if start is None:
                await send(message)

        scope[HANDED] = None
        try:
            await app(scope, receive, held)
            if start is not None:
                await _answer(scope, start, receive, send)
        finally:
            if scope[HANDED] is not None:
                scope[HANDED].close()

    return serve


async def _answer(scope: Any, start: dict[str, Any], receive: Any, send: Any) -> None:
    start["headers"] = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]

    async def all_of_it() -> None:
        await send(start)
        if scope["method"] != "HEAD":
            async with aclosing(scope[HANDED].parts()) as parts:
                async for part in parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    sending = asyncio.create_task(all_of_it())
    leaving = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        ended, _ = await asyncio.gather(sending, leaving, return_exceptions=True)
    if isinstance(ended, Error):
        # The server closes the connection without the mark of the end: a reader knows.
        logger.error("A stream broke off: the database failed (%s)", type(ended).__name__)
    elif isinstance(ended, Exception):
        raise ended


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


_readers = ThreadPoolExecutor(THREADS, thread_name_prefix="export")


class Paged:
    """A body made of an iterator whose every step is a short look into the database.

    The steps of all such bodies share THREADS threads: an export as long as it likes holds
    neither a thread nor a connection while its reader takes what was read.
    """

    endless = False

    def __init__(self, pages: Iterator[bytes], close: Callable[[], None]) -> None:
        self._pages = pages
        self.close = close

    async def parts(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while (page := await loop.run_in_executor(_readers, _step, self._pages)) is not None:
            yield page


def _step(pages: Iterator[bytes]) -> bytes | None:
    try:
        return next(pages, None)
    finally:
        connection.close()
