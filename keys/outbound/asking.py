"""Many requests side by side, each within a deadline and a size: what sweeps of probes need."""

import asyncio
import time
from collections.abc import Mapping

import aiohttp
from yarl import URL

from keys.destinations import proxy_for
from keys.outbound.aio import connector
from keys.outbound.errors import OutboundError, Reason
from keys.outbound.fetching import HEADERS, Reply

_AUTOMATIC = ("User-Agent", "Content-Type", "Accept", "Accept-Encoding")
_TLS = aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError
_NO_WAY_THERE = aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError | ValueError

Client = aiohttp.ClientSession


def client() -> Client:
    """A session for `ask`, to be made and closed inside the event loop. It keeps no cookie."""
    return Client(
        connector=connector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=_AUTOMATIC,
        max_line_size=16 * 1024,
        max_field_size=64 * 1024,
        timeout=aiohttp.ClientTimeout(total=None),
    )


async def ask(
    session: Client,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    timeout: float,
    limit_bytes: int,
) -> Reply:
    """One exchange; a redirect is an answer like any other, a longer body is cut.

    `timeout` is the time for all of it. Raises Blocked and OutboundError. The URL is the
    caller's to check (`check_url`).
    """
    started = time.monotonic()
    try:
        async with (
            asyncio.timeout(timeout),
            session.request(
                method,
                URL(url, encoded=True),
                headers={**HEADERS, **headers},
                data=body,
                allow_redirects=False,
                proxy=proxy_for(url) or None,
            ) as response,
        ):
            content = await _read(response, limit_bytes)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The originals speak of URLs, and of header values that can't be sent.
        raise OutboundError(_reason(error)) from None
    return Reply(
        status=response.status,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=content,
        latency_ms=(time.monotonic() - started) * 1000,
    )


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """The body up to the limit; where it goes on, its connection is not used again."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) >= limit_bytes:
            response.close()
            break
    return bytes(content[:limit_bytes])


def _reason(error: Exception) -> Reason:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.InvalidURL):
        return "blocked"  # an address written so that it has two readings, such as 2130706433
    if isinstance(error, _TLS):
        return "tls"
    if isinstance(error, _NO_WAY_THERE):
        return "connect"
    return "reset"
