"""Many requests side by side, each within a deadline and a size: what sweeps of probes need."""

import asyncio
import re
import time
from collections.abc import Mapping

import aiohttp

from keys.destinations import Blocked
from keys.outbound.answer import Answer
from keys.outbound.errors import OutboundError, Reason
from keys.outbound.fetching import HEADERS, Reply
from keys.outbound.lines import Lines

PATIENCE = 60.0  # seconds, of a line by itself: whoever asks gives less for all of it
_SPLIT = re.compile(r"(https?://[^/?#]+)([^#]*)")
_TLS = aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError
_NO_WAY_THERE = aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError | ValueError

Client = Lines


def client() -> Client:
    """Lines for `ask`, to be made and closed inside the event loop."""
    return Lines(PATIENCE, PATIENCE)


async def ask(
    lines: Client,
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
        async with asyncio.timeout(timeout):
            answer = await _asked(lines, method, url, headers, body or b"")
            try:
                content = await _read(answer, limit_bytes)
            finally:
                lines.leave(answer)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The originals speak of URLs, and of header values that can't be sent.
        raise OutboundError(_reason(error)) from None
    return Reply(
        status=answer.status,
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers},
        body=content,
        latency_ms=(time.monotonic() - started) * 1000,
    )


async def _asked(
    lines: Client, method: str, url: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    parts = _SPLIT.fullmatch(url)
    if parts is None:
        raise Blocked
    origin, below = parts.groups()
    target = below if below.startswith("/") else f"/{below}"
    sent = {**HEADERS, **headers}
    sent.pop("Accept-Encoding")  # a line says that itself
    return await lines.ask(origin, target, method, tuple(sent.items()), body, None)


async def _read(answer: Answer, limit_bytes: int) -> bytes:
    """The body up to the limit; where it goes on, its connection is not used again."""
    content = bytearray()
    while len(content) < limit_bytes and (part := await answer.part()) is not None:
        content += part
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
