"""The caller's side of one exchange: the request's body, and whether the caller is still there."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from usage.gateway import room
from usage.gateway.direct import Direct
from usage.gateway.errors import Denial, denial
from usage.gateway.terms import terms
from usage.ingest import network_of

CROWDED_RETRY = 1.0  # seconds
DRAIN_TIME = 10.0  # seconds
SLOWEST = 16 * 1024  # bytes per second that a body comes with at least that is read whole
SLOWEST_LARGE = 128 * 1024  # the same for what an unknown caller's is longer than ROOM_FREE
ROOM_FREE = 64 * 1024  # bytes of each that need no room: a short request is never crowded out
KEY_SIZE = 64  # bytes; no app key is longer
READ_AHEAD = 64 * 1024  # bytes of a body, and one message more
WATCH_AFTER = 0.05  # seconds; most calls are over before, and a watch costs more than all the rest

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Look = Callable[[bytes], Awaitable[None]]


class Gone(Exception):
    """The caller hung up."""


def too_late() -> Denial:
    return denial("bad_request", "The request body did not come in time")


def crowded() -> Denial:
    refused = denial("unavailable", "Too many request bodies are read at once")
    refused.retry_after = CROWDED_RETRY
    return refused


class Inbound:
    """Reads `receive`. Only one of body, stream and drain reads at a time."""

    _caller = ""  # the app key, once it is known
    _moved: asyncio.Event | None = None  # of `_kept`; made when it is waited for
    _task: asyncio.Task[Any] | None = None  # to be cancelled when the caller hangs up
    _due: asyncio.TimerHandle | None = None
    _watch: asyncio.Task[None] | None = None
    _receiving = False
    _paced_from: float | None = None
    _limit = 0  # of the body
    _room = room.strangers
    _holder = ""  # of room there
    _held = 0  # bytes
    size = 0
    read = False  # whether the body was read to its end
    gone = False
    over = False  # whether the body passed its limit
    late = False  # whether the body came too slowly

    def __init__(self, receive: Receive, address: str = "", direct: Direct | None = None) -> None:
        self._receive = receive
        self._direct = direct
        self._address = address
        self._kept: deque[Message] = deque()

    async def body(self, limit: int, announced: int, look: Look) -> bytes:
        """The whole body. Raises Denial (body_too_large) past `limit`, and Gone.

        It must come at a pace, or it could be held for ever, and what is long must find room, which
        it keeps until `let_go`. Raises Denial (unavailable) without. As long as the caller isn't
        known, `look` is shown all of a long body as it comes; it may `vouch` for the caller.
        """
        self._limit = limit
        if (there := self.there(limit)) is not None:
            return there
        short = self._caller and 0 < announced <= ROOM_FREE  # most calls; it costs nothing to wait
        self._paced_from = None if short else asyncio.get_running_loop().time()
        part, content, shown = b"", bytearray(), 0  # not a list: of tiny parts that is the larger
        self.over = announced > limit
        try:
            while not (self.over or self.read):
                part = await self._part_in_time()
                self.over = self.size > limit
                content += part
                if self.size > ROOM_FREE and not self.over:
                    if not self._caller:
                        await look(bytes(content[max(0, shown - KEY_SIZE) :]))
                        shown = len(content)
                    self._take_room()
            if self.over:
                raise denial("body_too_large")
        except Denial:
            content.clear()  # the refusal may take its time
            self.let_go()
            raise
        return part if len(part) == self.size else bytes(content)

    def there(self, limit: int) -> bytes | None:
        """The whole body, where nobody has to wait for it and it needs no room."""
        if self._direct is None or self.size or self._kept:
            return None
        content = self._direct.whole_body()
        if content is None:
            return None
        if len(content) > min(limit, ROOM_FREE):
            self._kept.append({"type": "http.request", "body": content, "more_body": False})
            return None
        self.read, self.size = True, len(content)
        return content

    def vouch(self, app_key: str) -> None:
        """The caller is known from now on, and what is held of the body is held by its key.

        Raises Denial (unavailable) where the key holds too much already.
        """
        self._caller = app_key
        if self._held:
            self.let_go()
            self._take_room()

    def let_go(self) -> None:
        """Gives the room back: nobody needs the body any more."""
        if self._held:
            self._room.give_back(self._holder, self._held)
            self._held = 0

    async def stream(self, limit: int, announced: int) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Denial (body_too_large) past `limit`, and Gone."""
        self.over = announced > limit
        while not (self.over or self.read):
            part = await self._part_in_time()
            self.over = self.size > limit
            if part and not self.over:
                yield part
        if self.over:
            raise denial("body_too_large")

    async def drain(self, limit: int) -> bool:
        """Throws up to `limit` bytes away; whether that was all.

        Many clients read no answer before their whole body is sent.
        """
        with contextlib.suppress(Gone, TimeoutError):
            async with asyncio.timeout(DRAIN_TIME):
                while not self.read and self.size <= limit:
                    await self._part()
        return self.read

    def watch(self, *, early: bool = True) -> None:
        """From now on the present task is cancelled when the caller hangs up.

        Where the server doesn't tell, the body is read ahead a little; behind more of it a hang-up
        waits unseen. Not `early`: that would ask a caller for the body who waits to be asked.
        """
        if self._direct is None and not early:
            return
        if self._task is None:
            self._task = asyncio.current_task()
            if self._direct is None:
                self._watch_soon()
            else:
                self._direct.watcher = self._hung_up

    def _hung_up(self) -> None:
        """The server says that the caller's line is gone."""
        if self._task is not None and not self._receiving:  # else who waits for the body hears it
            self.gone = True
            self._task.cancel()

    def _watch_soon(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.call_later(WATCH_AFTER, self._watch_now)

    def _watch_now(self) -> None:
        if self._receiving:  # who waits for the body hears of a hang-up
            self._watch_soon()
        elif self._task is not None:
            self._watch = asyncio.create_task(self._look_ahead(self._task))

    def unwatch(self) -> None:
        self._task = None
        if self._direct is not None:
            self._direct.watcher = None
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
            self._stir()  # whoever waits for the watch reads on alone

    def _take_room(self) -> None:
        if not self._held:
            self._room = room.callers if self._caller else room.strangers
            self._holder = self._caller or network_of(self._address)
        more = self.size - ROOM_FREE - self._held
        if not self._room.take(self._holder, more, self._limit):
            raise crowded()
        self._held += more

    async def _part_in_time(self) -> bytes:
        now = asyncio.get_running_loop().time()
        until = now + terms().timeout
        if self._paced_from is not None:
            slack, needed = terms().body_timeout, self.size / SLOWEST
            if self._caller:
                slack = terms().timeout
            elif self.size > ROOM_FREE:
                needed = ROOM_FREE / SLOWEST + (self.size - ROOM_FREE) / SLOWEST_LARGE
            until = min(until, now + slack, self._paced_from + slack + needed)
        try:
            async with asyncio.timeout_at(until):
                return await self._part()
        except TimeoutError:
            self.late = True
            raise too_late() from None

    async def _part(self) -> bytes:
        message = await self._next()
        if message["type"] == "http.disconnect":
            self.gone = True
            if self._task is not None and self._task is not asyncio.current_task():
                self._task.cancel()  # the answer may be under way already
            raise Gone
        part: bytes = message.get("body", b"")
        self.read = not message.get("more_body", False)
        self.size += len(part)
        return part

    async def _next(self) -> Message:
        while not self._kept:
            if self.gone:
                raise Gone
            if self._watch is None:
                self._receiving = True
                try:
                    return await self._receive()
                finally:
                    self._receiving = False
            await self._turn()
        message = self._kept.popleft()
        self._stir()
        return message

    async def _look_ahead(self, task: "asyncio.Task[Any]") -> None:
        more = not self.read
        while (message := await self._receive())["type"] != "http.disconnect":
            if more:
                self._kept.append(message)
                self._stir()
                more = message.get("more_body", False)
            while more and sum(len(kept.get("body", b"")) for kept in self._kept) >= READ_AHEAD:
                await self._turn()
        self.gone = True
        task.cancel()

    async def _turn(self) -> None:
        if self._moved is None:
            self._moved = asyncio.Event()
        self._moved.clear()
        await self._moved.wait()

    def _stir(self) -> None:
        if self._moved is not None:
            self._moved.set()
