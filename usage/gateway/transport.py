"""The gateway's way out: one set of connections per process, nothing followed, nothing kept."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from django.conf import settings

from keys import outbound
from keys.outbound.answer import Answer
from keys.outbound.lines import Lines
from keys.providers.outgoing import Headers
from usage.gateway.errors import broke_off, denial, not_connected

Body = bytes | AsyncIterator[bytes] | None

# Nothing was sent, and another try would meet the same.
_UNSAFE = aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError

_lines: Lines | None = None


def lines() -> Lines:
    """This process's connections; others when the event loop is another."""
    global _lines
    if _lines is None or _lines.loop is not asyncio.get_running_loop():
        _lines = Lines(settings.GATEWAY_CONNECT_TIMEOUT, settings.GATEWAY_TIMEOUT)
    return _lines


async def close() -> None:
    global _lines
    if _lines is not None:
        await _lines.close()
        _lines = None


async def ask(
    base_url: str, target: str, method: str, headers: Headers, body: Body, length: int | None
) -> Answer:
    """The provider's answer, its body not read yet; to be given to `leave` whatever comes.

    Raises Denial (upstream_unreachable, upstream_timeout). `length` is a streamed body's.
    """
    with faults():
        return await lines().ask(base_url, target, method, headers, body or b"", length)


def leave(answer: Answer) -> None:
    """Ends with an answer: its connection is closed unless it was read whole."""
    lines().leave(answer)


class faults:
    """Turns what the network raises into the Denial that the caller gets."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, TimeoutError):
            raise denial("upstream_timeout") from None
        # The texts of these carry URLs, and a URL may carry a key.
        if isinstance(error, _UNSAFE | outbound.Blocked):
            raise denial("upstream_unreachable") from None
        if isinstance(error, aiohttp.ClientConnectorError):
            raise not_connected() from None
        if isinstance(error, aiohttp.ClientError | OSError):
            raise broke_off() from None
