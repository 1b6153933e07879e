"""The web server's HTTP protocol with a bound on what stands around bodies, in size and time.

Uvicorn's own keeps a request's head in memory however long it is, at a cost that grows with the
square of it, waits for it without end (a thousand silent connections would be all there may be),
and takes trailers behind a body for headers: no proxy has looked at those.
"""

import asyncio
import json
import logging
from typing import Any

from uuid_utils import uuid7
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Bytes of a head, of trailers or of a chunk's extension that come in several pieces; one piece is
# what is read at a time, 256 KB.
LIMIT = 64 * 1024
# Requests sent ahead of their answers on one connection. Each costs a hundred times its bytes.
MOST_WAITING = 16
HEAD_TIME = 30.0  # seconds from a connection, or the first byte of a head, to the head's end
_logger = logging.getLogger(__name__)
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\nconnection: close\r\n\r\n"
    b"The request head is too large."
)


async def busy(scope: Any, receive: Any, send: Any) -> None:
    """503 in the gateway's own words (DESIGN section 7), where the server has bare text."""
    request_id, message = str(uuid7()), "Keydeck cannot take this call now"
    error = {"message": message, "type": "api_error", "code": "unavailable"}
    said = {"status": "error", "message": message, "request_id": request_id, "error": error}
    body = json.dumps(said).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"retry-after", b"1"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class BoundedProtocol(HttpToolsProtocol):
    """Named in the Procfile and docker-compose.yml (`--http`)."""

    _around = 0  # bytes since the last of a body or the last end of a head
    _in_head = False
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _logger

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._around += len(data)
        super().data_received(data)
        if self._around > LIMIT and not self.transport.is_closing():
            if self._in_head and not self._is_answering():
                self.transport.write(_REFUSAL)
            self.transport.close()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MOST_WAITING:
            raise ValueError("too many requests at once")  # the parser's fault to the server: 400
        super().on_message_begin()
        self._around, self._in_head = 0, True
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()
        self._around, self._in_head = 0, False
        self.headers = []  # the scope has its own: what comes now are trailers

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._around = 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._around = 0

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return cycle is not None and not cycle.response_complete

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, busy if app is service_unavailable else app)

    def _await_head(self) -> None:
        self._head_came()
        self._deadline = self.loop.call_later(HEAD_TIME, self.transport.close)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
