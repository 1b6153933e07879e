"""One request of the web server and its answer, with the shorter ways that the gateway takes."""

from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Pair = tuple[bytes, bytes]

_CLOSE = b"connection: close\r\n"


class Cycle(RequestResponseCycle):
    """Uvicorn's, which also hands a body over that is there, and takes a whole answer.

    Who knows of it (`is_direct`) need not wait for these: usage.gateway.direct says how.
    """

    is_direct = True
    connection: dict[str, Any]
    watcher: Callable[[], None] | None = None

    def whole_body(self) -> bytes | None:
        """The body, if all of it came; None: ask `receive`."""
        if self.more_body or self.disconnected or self.response_complete:
            return None
        body, self.body = bytes(self.body), bytearray()
        return body

    def respond(self, status: int, headers: Sequence[Pair], body: bytes) -> bool:
        """Sends a whole answer; False: it can't now, ask `send`.

        Raises RuntimeError for a header that would be another one.
        """
        if self.flow.write_paused or self.response_started or self.access_log:
            return False
        if self.disconnected:
            return True  # as `send`, which drops what nobody hears
        lines = [b"%b: %b\r\n" % pair for pair in headers]
        for name, value in self.default_headers:
            lines.append(b"%b: %b\r\n" % (name, value))
        count = len(lines)
        if (b"connection", b"close") in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(_CLOSE)
            count += 1
        head = b"".join(lines)
        if head.count(b"\n") != count or head.count(b"\r") != count:
            raise RuntimeError("Invalid HTTP header value.")
        if self.scope["method"] == "HEAD":
            body = b""
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], head, body))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True
