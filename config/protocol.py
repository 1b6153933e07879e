"""The web server's HTTP protocol with a bound on what stands around bodies.

Uvicorn's own keeps a request's head in memory however long it is, at a cost that grows with the
square of it, and takes trailers behind a body for headers: no proxy has looked at those.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Bytes of a head, of trailers or of a chunk's extension that come in several pieces; one piece is
# what is read at a time, 256 KB.
LIMIT = 64 * 1024
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\nconnection: close\r\n\r\n"
    b"The request head is too large."
)


class BoundedProtocol(HttpToolsProtocol):
    """Named in the Procfile and docker-compose.yml (`--http`)."""

    _around = 0  # bytes since the last of a body or the last end of a head
    _in_head = False

    def data_received(self, data: bytes) -> None:
        self._around += len(data)
        super().data_received(data)
        if self._around > LIMIT and not self.transport.is_closing():
            if self._in_head and not self._is_answering():
                self.transport.write(_REFUSAL)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._around, self._in_head = 0, True

    def on_headers_complete(self) -> None:
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
