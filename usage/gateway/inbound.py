"""The caller's side of one exchange: the request's body, and whether the caller is still there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from usage.gateway.errors import denial

DRAIN_TIME = 10.0  # seconds

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Gone(Exception):
    """The caller hung up."""


class Inbound:
    """Reads `receive`. Only one of body, stream and watch reads at a time."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = asyncio.Event()
        self.size = 0
        self.gone = False

    async def body(self, limit: int, announced: int) -> bytes:
        """The whole body. Raises Denial (body_too_large) past `limit`, and Gone."""
        if announced > limit:
            raise denial("body_too_large")
        parts = []
        async for part in self.stream():
            if self.size > limit:
                raise denial("body_too_large")
            parts.append(part)
        return b"".join(parts)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Gone."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                raise Gone
            part = message.get("body", b"")
            more = message.get("more_body", False)
            if not more:
                self._read.set()
            if part:
                self.size += len(part)
                yield part

    @property
    def read(self) -> bool:
        """Whether the body was read to its end."""
        return self._read.is_set()

    async def drain(self, limit: int) -> bool:
        """Throws up to `limit` bytes away; whether that was all.

        Many clients read no answer before their whole body is sent.
        """
        with contextlib.suppress(Gone, TimeoutError):
            async with asyncio.timeout(DRAIN_TIME):
                async for _ in self.stream():
                    if self.size > limit:
                        break
        return self.read

    def watch(self) -> "asyncio.Task[None]":
        """Cancels the present task when the caller hangs up; cancel the watch when done."""
        task = asyncio.current_task()
        return asyncio.create_task(self._watch(task))

    async def _watch(self, task: "asyncio.Task[Any] | None") -> None:
        # A body that is still being forwarded notices the end of its caller itself.
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if task is not None:
            task.cancel()
