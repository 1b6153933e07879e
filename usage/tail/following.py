"""One follower: Server-Sent Events of the calls that it wants, until its rights end."""

import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.http import Http404, HttpRequest

from usage.models import Call
from usage.stats import Wanted
from usage.streaming import Places, Stream
from usage.tail.hub import Hub, mine
from usage.tail.reading import Place, newest

STILL_HERE = 15.0  # seconds of silence after which a comment says that the connection lives
RIGHTS = 1.0  # seconds between two looks whether the follower still may see what it sees
RETRY = 2000  # milliseconds that a client waits before it comes back
_BREAK = re.compile(r"\r\n|\r|\n")

places = Places(most=200, each=5)

Told = list[tuple[Place, Call]]


class Ended(Exception):
    """Who follows may do so no longer; the text is for them."""


class Tail:
    """A body for `usage.streaming`.

    `wanted()` is asked again and again, what may be seen can change; it raises Ended, Http404 or
    PermissionDenied once it is over. `tell(calls)` makes events of them. Both may use the database.
    """

    endless = True

    def __init__(
        self,
        wanted: Callable[[], Wanted],
        tell: Callable[[Told], bytes],
        after: Place | None,
        close: Callable[[], None],
    ) -> None:
        self._wanted, self._tell, self._place = wanted, tell, after
        self.close = close
        self._chosen: Wanted | None = None
        self._looked = 0.0
        self._away = False

    async def parts(self) -> AsyncIterator[bytes]:
        hub, said = mine(), 0.0
        with hub.followed():
            while True:
                try:
                    part = await self._next(hub)
                except (Ended, Http404, PermissionDenied) as error:
                    why = str(error) if isinstance(error, Ended) else "You may not see these calls."
                    yield event("end", {"message": why})
                    return
                now = time.monotonic()
                if not part and now - said > STILL_HERE:
                    part = b": still here\n\n"
                if part:
                    said = now
                    yield part

    async def _next(self, hub: Hub) -> bytes:
        """The next events, perhaps none. Raises what `wanted` raises."""
        if self._place is None or self._chosen is None:
            return await self._begin(hub)
        if hub.away:
            return await self._say_away(hub)
        try:
            await self._look_at_rights(hub)
            news = await hub.since(self._place)
            told = [(place, call) for place, call in news.calls if self._chosen.matches(call)]
            part = await hub.run(self._tell, told) if told else b""
        except Error:
            return await self._say_away(hub)
        if news.missed:
            said = {"message": "Some calls were stored meanwhile that are not told here."}
            part = event("missed", said, news.behind) + part
        if self._away:
            self._away, part = False, event("back", {}) + part
        if not part and news.behind == self._place:
            await hub.turn()
        self._place = news.behind
        return part

    async def _begin(self, hub: Hub) -> bytes:
        try:
            self._place = self._place or await hub.run(newest)
            await self._look_at_rights(hub)
        except Error:
            return await self._say_away(hub)
        return b"retry: %d\n" % RETRY + event("open", {}, self._place)

    async def _look_at_rights(self, hub: Hub) -> None:
        now = time.monotonic()
        if self._chosen is None or now - self._looked > RIGHTS:
            self._chosen = await hub.run(self._wanted)
            self._looked = now

    async def _say_away(self, hub: Hub) -> bytes:
        if self._away:
            await hub.turn()
            return b""
        self._away = True
        return event("away", {"message": "The database doesn’t answer; calls come once it does."})


def followed(
    request: HttpRequest,
    person: int,
    wanted: Callable[[], Wanted],
    tell: Callable[[Told], bytes],
    after: Place | None,
) -> Stream:
    """The answer that tells a person of calls from now, or from a place, on. Raises Full."""
    places.take(person)
    tail = Tail(wanted, tell, after, lambda: places.give_back(person))
    answer = Stream(request, tail, "text/event-stream")
    answer["Cache-Control"] = "no-store"
    return answer


def event(name: str, data: Any, place: Place | None = None) -> bytes:
    """One event of a stream. `data` is JSON; what is text already goes line by line.

    Lines end as the format has it: any other separator of lines is a character of the data.
    """
    text = data if isinstance(data, str) else orjson.dumps(data).decode()
    lines = "".join(f"data: {line}\n" for line in _BREAK.split(text))
    id = f"id: {place}\n" if place else ""
    return f"event: {name}\n{id}{lines}\n".encode()
