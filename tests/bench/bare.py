"""The bare proxy: the gateway's server with aiohttp, and nothing of what the gateway does.

An ASGI application that passes method, path, headers and body on to BENCH_UPSTREAM and streams
the answer back. What it costs is what Python's ASGI server and aiohttp cost.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_BASE = os.environ.get("BENCH_UPSTREAM", "")
_HOPS = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"host", b"upgrade"})
_session: aiohttp.ClientSession | None = None


def _mine() -> aiohttp.ClientSession:
    """A session that adds nothing and keeps its connections."""
    global _session
    if _session is None:
        _session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            max_line_size=16 * 1024,
            max_field_size=64 * 1024,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300),
        )
    return _session


async def _parts(first: Message, receive: Receive) -> AsyncIterator[bytes]:
    message = first
    while True:
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return
        message = await receive()


async def _body(receive: Receive) -> bytes | AsyncIterator[bytes] | None:
    first = await receive()
    if first.get("more_body", False):
        return _parts(first, receive)
    return first.get("body") or None


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    sent = CIMultiDict(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope["headers"]
        if name not in _HOPS
    )
    url = URL(_BASE + target.decode("latin-1"), encoded=True)
    body = await _body(receive)
    async with _mine().request(
        scope["method"], url, headers=sent, data=body, allow_redirects=False
    ) as answer:
        pairs = [
            (lowered, value)
            for name, value in answer.raw_headers
            if (lowered := name.lower()) not in _HOPS
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
        async for part in answer.content.iter_any():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    if _session is not None:
        await _session.close()
    await send({"type": "lifespan.shutdown.complete"})
