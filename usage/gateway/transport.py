"""The gateway's HTTP client: one connection pool per process, nothing followed, nothing kept."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from django.conf import settings
from multidict import CIMultiDict
from yarl import URL

from keys import outbound
from usage.gateway.errors import broke_off, denial, not_connected
from usage.gateway.headers import Pairs

_WHOLE = 512 * 1024  # bytes handed over in one piece
_AUTOMATIC = ("User-Agent", "Content-Type", "Accept", "Accept-Encoding")

Body = bytes | AsyncIterator[bytes] | None

MOST_INTERIM = 10  # answers of 1xx before the one that counts


class _Response(aiohttp.ClientResponse):
    """Gives up on a provider that sends interim answers without end; aiohttp passes over each
    without letting any other call go on."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        read, left = protocol.read, MOST_INTERIM + 1

        async def counted() -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise aiohttp.ClientPayloadError("too many interim answers")
            return await read()

        protocol.read = counted
        try:
            return await super().start(connection)
        finally:
            del protocol.read  # the connection may be used again


# Nothing was sent, and another try would meet the same.
_UNSAFE = aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError

_session: aiohttp.ClientSession | None = None


def session() -> aiohttp.ClientSession:
    """This process's session; a new one when the event loop is another."""
    global _session
    loop = asyncio.get_running_loop()
    if _session is None or _session.closed or _session._loop is not loop:
        _session = aiohttp.ClientSession(
            # The server bounds the calls there are at once; nobody's wait for another's end.
            connector=outbound.connector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            response_class=_Response,
            skip_auto_headers=_AUTOMATIC,
            max_line_size=16 * 1024,
            max_field_size=64 * 1024,
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=settings.GATEWAY_CONNECT_TIMEOUT,
                sock_read=settings.GATEWAY_TIMEOUT,
            ),
        )
    return _session


async def close() -> None:
    global _session
    if _session is not None:
        await _session.close()
        _session = None


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    view = memoryview(body)
    for start in range(0, len(body), _WHOLE):
        yield bytes(view[start : start + _WHOLE])


async def ask(
    method: str, url: str, headers: Pairs, body: Body, length: int | None
) -> aiohttp.ClientResponse:
    """The provider's answer, its body not read yet; to be given to `leave` whatever comes.

    Raises Denial (upstream_unreachable, upstream_timeout). `length` is a streamed body's.
    """
    sent = CIMultiDict(headers)
    sent["Accept-Encoding"] = "identity"
    if isinstance(body, bytes):
        length = len(body)
        if length > _WHOLE:
            body = _pieces(body)
    if length is not None and body is not None:
        sent["Content-Length"] = str(length)
    with faults():
        return await session().request(
            method,
            URL(url, encoded=True),
            headers=sent,
            data=body,
            allow_redirects=False,
            proxy=outbound.proxy_for(url) or None,
        )


def leave(response: aiohttp.ClientResponse) -> None:
    """Ends with an answer: its connection is closed unless it was read whole."""
    response.close() if not response.content.at_eof() else response.release()


class faults:
    """Turns what the network raises into the Denial that the caller gets."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TimeoutError):
            raise denial("upstream_timeout") from None
        # The texts of these carry URLs, and a URL may carry a key.
        if isinstance(error, _UNSAFE | outbound.Blocked):
            raise denial("upstream_unreachable") from None
        if isinstance(error, aiohttp.ClientConnectorError):
            raise not_connected() from None
        if isinstance(error, aiohttp.ClientError | OSError):
            raise broke_off() from None
