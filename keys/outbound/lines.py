"""Connections of gateway and probes: dialled where they may go, kept for the next call.

A connector of aiohttp dials (`keys.outbound.aio`: checked address, TLS, proxy); what is said over
it is `keys.outbound.line`'s, at a seventh of what aiohttp's own client costs a call.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import NamedTuple

import aiohttp
from yarl import URL

from keys.destinations import Blocked, proxy_for
from keys.outbound.aio import CheckedConnector, connector
from keys.outbound.answer import Answer, BrokeOff
from keys.outbound.line import Line

KEPT = 15.0  # seconds that a connection waits for another call
_SPLIT = re.compile(r"(https?://[^/?#\\@\s]+)(/[^\s#]*|)", re.IGNORECASE)
# May be sent again when a kept connection turns out to be closed at the other end.
_REPEATED = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})

Headers = tuple[tuple[str, str], ...]
Place = tuple[str, str]  # origin and proxy


class Lines:
    """All of one event loop. Times in seconds."""

    def __init__(self, connect_timeout: float, timeout: float) -> None:
        self.loop = asyncio.get_running_loop()
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        # The server bounds the calls there are at once; nobody waits for another's end.
        self._connector: CheckedConnector = connector(limit=0)
        self._idle: dict[Place, list[Line]] = {}
        self._of: dict[Line, Place] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    async def ask(
        self,
        base_url: str,
        target: str,
        method: str,
        headers: Headers,
        body: bytes | AsyncIterator[bytes],
        length: int | None,
    ) -> Answer:
        """The answer, as far as its head; give it to `leave` whatever comes.

        `length` is that of a body in parts, None for one in chunks. Raises Blocked, BrokeOff,
        TimeoutError, aiohttp.ClientError and OSError while dialling, and what the body raises.
        """
        origin, below = _parts(base_url)
        target = below + target or "/"
        place = (origin.text, proxy_for(base_url))
        if place[1] and origin.is_plain:  # asked of the proxy, by the whole URL
            target = origin.text + target
            headers = (*headers, *_for_proxy(place[1]))
        framing = _framing(method, body, length)
        head = _head(method, target, origin.host, headers, framing)
        line = self._waiting(place)
        is_kept = line is not None
        while True:
            if line is None:
                line = await self._dial(origin, place)
            if isinstance(body, bytes):
                answer = line.ask(method, head, body)
            else:
                answer = line.ask_in_parts(method, head, body, chunked=length is None)
            try:
                await self._head_of(answer)
                return answer
            except BrokeOff:
                gone = is_kept and not line.heard
                if not gone or method not in _REPEATED or not isinstance(body, bytes):
                    raise
            line, is_kept = None, False

    async def _head_of(self, answer: Answer) -> None:
        try:
            await answer.head()
        except BaseException:
            self.leave(answer)
            raise

    def leave(self, answer: Answer) -> None:
        """Ends with an answer: its connection is kept if it was read whole."""
        line = answer.line
        if line.answer is not answer:
            return  # left already
        if line.leave():
            line.idle_since = self.loop.time()
            self._idle.setdefault(self._of[line], []).append(line)
            if self._sweeping is None:
                self._sweeping = self.loop.call_later(KEPT, self._sweep)
        else:
            self._of.pop(line, None)

    async def close(self) -> None:
        """Ends all that wait, and dials no more."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for line in list(self._of):
            line.close()
        self._of.clear()
        self._idle.clear()
        await self._connector.close()

    def _waiting(self, place: Place) -> Line | None:
        """The one that was used last, as long as it is fit."""
        idle = self._idle.get(place)
        while idle:
            line = idle.pop()
            if line.is_fit:
                return line
            self._of.pop(line, None)
        return None

    async def _dial(self, origin: "Origin", place: Place) -> Line:
        proxy = URL(place[1]) if place[1] else None
        transport = await self._connector.dial(origin.url, proxy, self._connect_timeout)
        line = Line(transport, self.loop, self._timeout)
        transport.set_protocol(line)
        self._of[line] = place
        return line

    def _sweep(self) -> None:
        self._sweeping = None
        before = self.loop.time() - KEPT
        for place, idle in list(self._idle.items()):
            for line in [one for one in idle if one.idle_since <= before or not one.is_fit]:
                idle.remove(line)
                self._of.pop(line, None)
                line.close()
            if not idle:
                del self._idle[place]
        if self._idle:
            self._sweeping = self.loop.call_later(KEPT, self._sweep)


class Origin(NamedTuple):
    """Where a URL leads."""

    text: str
    url: URL
    host: str  # as the Host header has it
    is_plain: bool


@lru_cache(maxsize=256)
def _parts(url: str) -> tuple[Origin, str]:
    """Origin, and the path or nothing, of a base URL. Raises Blocked."""
    found = _SPLIT.fullmatch(url)
    if found is None:
        raise Blocked
    return _origin(found[1]), found[2]


def _origin(text: str) -> Origin:
    try:
        url = URL(text, encoded=True)
        host, port = url.raw_host, url.port
    except ValueError:
        raise Blocked from None
    if not host or port is None:
        raise Blocked
    shown = f"[{host}]" if ":" in host else host
    named = shown.rstrip(".") if url.is_default_port() else f"{shown}:{port}"
    return Origin(text, url, named, url.scheme == "http")


def _framing(method: str, body: bytes | AsyncIterator[bytes], length: int | None) -> str:
    if isinstance(body, bytes):
        return f"Content-Length: {len(body)}" if body or method not in _BODILESS else ""
    return "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"


@lru_cache(maxsize=2)
def _for_proxy(proxy: str) -> Headers:
    user, password = URL(proxy).user, URL(proxy).password
    if user is None:
        return ()
    return (("Proxy-Authorization", aiohttp.encode_basic_auth(user, password or "")),)


def _head(method: str, target: str, host: str, headers: Headers, framing: str) -> bytes:
    """Raises ValueError for what would be another header than it says."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append("Accept-Encoding: identity")
    if framing:
        lines.append(framing)
    text = "\r\n".join(lines)
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise ValueError("a header holds a line break")
    return text.encode() + b"\r\n\r\n"
