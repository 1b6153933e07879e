"""One request and its whole answer, within a deadline and a size: what webhooks need."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectTimeout,
    ReadTimeout,
    RequestException,
    SSLError,
)
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError, ReadTimeoutError

from keys.outbound.deadline import deadline
from keys.outbound.errors import OutboundError, Reason
from keys.outbound.pinned import PinnedAdapter

_CHUNK = 16 * 1024
HEADERS = {"User-Agent": "Keydeck", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; a body longer than the limit is cut there. Header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    latency_ms: float = 0.0


def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 10.0,
    limit_bytes: int = 64 * 1024,
) -> Reply:
    """One exchange; a redirect is an answer like any other.

    `timeout` is the time for all of it. Raises Blocked and OutboundError. The URL is the
    caller's to check (`check_url`).
    """
    adapter = PinnedAdapter()
    started = time.monotonic()
    with deadline(timeout) as limit:
        try:
            sent = _prepared(method, url, headers or {}, body)
            response = adapter.send(sent, stream=True, timeout=timeout)
            with response:
                content = _read(response, limit_bytes)
            limit.left()  # a body without a length ends quietly when the deadline cuts it
        except (RequestException, HTTPError, OSError, UnicodeError) as error:
            # The originals speak of URLs, and of header values that can't be sent.
            raise OutboundError("timeout" if limit.over else _reason(error)) from None
        finally:
            adapter.close()
    return Reply(
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=content,
        latency_ms=(time.monotonic() - started) * 1000,
    )


def _prepared(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None
) -> requests.PreparedRequest:
    # http.client takes text as latin-1 only.
    encoded = {name: value.encode() for name, value in {**HEADERS, **headers}.items()}
    return requests.Request(method, url, headers=encoded, data=body).prepare()


def _read(response: requests.Response, limit_bytes: int) -> bytes:
    content = b""
    for chunk in response.iter_content(_CHUNK):
        content += chunk
        if len(content) >= limit_bytes:
            break
    return content[:limit_bytes]


def _reason(error: Exception) -> Reason:
    """The word for what `requests` raised; it wraps urllib3's errors in its own."""
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    if isinstance(error, SSLError):
        return "tls"
    if isinstance(error, ConnectTimeout | ReadTimeout | TimeoutError):
        return "timeout"
    if isinstance(cause, ReadTimeoutError):
        return "timeout"
    if isinstance(error, ChunkedEncodingError) or isinstance(cause, ProtocolError):
        return "reset"
    return "connect"
