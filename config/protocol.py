"""The web server's HTTP protocol with a bound on what stands around bodies, in size and time.

Uvicorn's own keeps a request's head in memory however long it is, at a cost that grows with the
square of it, waits for it without end (a thousand silent connections would be all there may be),
and takes trailers behind a body for headers: no proxy has looked at those.

What two servers could frame in different ways is refused, and its connection closed: a proxy in
front, that shares connections among callers, must never see other requests in one than we do.
"""

import asyncio
import logging
import urllib.parse
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config.bodies import ENDLESS
from config.cycle import Cycle
from config.refusals import MALFORMED, TOO_LONG, busy

# Bytes of a head, of trailers or of a chunk's extension that come in several pieces; one piece is
# what is read at a time, 256 KB.
LIMIT = 64 * 1024
# Requests sent ahead of their answers on one connection. Each costs a hundred times its bytes.
MOST_WAITING = 16
HEAD_TIME = 30.0  # seconds from a connection, or the first byte of a head, to the head's end
MOST_HEADERS = 256  # of one request: each costs far more than its bytes
STALL_TIME = 300.0  # seconds in which a caller takes at least something of what waits for it
MOST_TOLD = 100  # connections past `--limit-concurrency` that are still told 503
_logger = logging.getLogger(__name__)


class BoundedProtocol(HttpToolsProtocol):
    """Named in the Procfile and docker-compose.yml (`--http`)."""

    _around = 0  # bytes since the last of a body or the last end of a head
    _in_head = False
    _is_offer = False  # whether the head offers another protocol
    _deadline: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None
    _rest: asyncio.TimerHandle | None = None
    _rests_since = 0.0  # when the last answer was out; one timer serves many requests
    _running: Cycle | None = None  # `cycle` is the newest, which may be waiting

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _logger
        # Uvicorn asks its logger for handlers, and finds those of ours.
        self.access_log = self.access_log and self.config.access_log
        self._left: dict[str, Any] = {}  # by one request to the next

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        most = self.limit_concurrency
        if most is not None and len(self.connections) > most + MOST_TOLD:
            transport.abort()  # silent ones would only wait for HEAD_TIME
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._reader_came()
        if self._rest is not None:
            self._rest.cancel()
        super().connection_lost(exc)
        if self._running is not None and not self._running.response_complete:
            # Uvicorn tells the newest request only, which may be waiting behind this one.
            self._running.disconnected = True
            self._running.message_event.set()
            if self._running.watcher is not None:
                self._running.watcher()

    def shutdown(self) -> None:
        """A stopping server waits for answers to end, but not for one that never would."""
        super().shutdown()
        running = self._running
        if running is not None and not running.response_complete and running.scope.get(ENDLESS):
            running.disconnected = True
            running.message_event.set()
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        self._around += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(TOO_LONG if len(self.headers or ()) > MOST_HEADERS else MALFORMED)
            return
        if self._around > LIMIT:
            self._refuse(TOO_LONG if self._in_head else b"")
        elif self._deadline is None and (self._in_head or not self._is_answering()):
            # Or empty lines, or what is left of a body whose answer is out: uvicorn waits for ever.
            self._await_head()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MOST_WAITING:
            raise ValueError("too many requests at once")  # the parser's fault to the server: 400
        super().on_message_begin()
        self._around, self._in_head = 0, True

    def on_headers_complete(self) -> None:
        self._check_head()
        self._is_offer = self.parser.should_upgrade()
        if self._is_offer:
            return  # read again without it
        self._head_came()
        self._tell_scope()
        self._begin()
        self._around, self._in_head = 0, False
        self.headers = []  # the scope has its own: what comes now are trailers

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._around = 0

    def on_message_complete(self) -> None:
        if self._is_offer:
            return
        super().on_message_complete()
        self._around = 0
        if not self.parser.should_keep_alive():
            self.cycle.keep_alive = False  # so said a trailer: the parser hears nothing more

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._rests_since = self.loop.time()
            if self._rest is None:
                self._rest = self.loop.call_later(self.timeout_keep_alive, self._look_at_rest)
        if self.transport.get_write_buffer_size():
            self._await_reader()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reader_came()

    def _feed(self, data: bytes) -> None:
        """Parses it. Whoever offers another protocol is served in this one, as RFC 9110 has it.

        The parser takes what follows such an offer for the other protocol, be it the body that
        the head announces: Java's client offers HTTP/2 with every request.
        """
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                data = self._head_without_offer() + data[offer.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _head_without_offer(self) -> bytes:
        line = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%s: %s\r\n" % pair for pair in self.headers if pair[0] != b"upgrade"]
        return b"%s %s HTTP/%s\r\n%s\r\n" % (*line, b"".join(kept))

    def _check_head(self) -> None:
        """Raises ValueError for a head that another server may frame or route in another way."""
        names = [name for name, _ in self.headers]
        hosts, version = names.count(b"host"), self.parser.get_http_version()
        if version != "1.1":
            self.expect_100_continue = False  # such clients know no interim answers
            if version != "1.0" or b"transfer-encoding" in names:
                raise ValueError("none of our versions")
            hosts = hosts or 1  # may be left out
        if hosts != 1 or len(names) > MOST_HEADERS or b"#" in self.url:
            raise ValueError("unclear what it is for")
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("no proxy of that kind")
        if b"transfer-encoding" in names:
            codings = [value for name, value in self.headers if name == b"transfer-encoding"]
            if b",".join(codings).strip().lower() != b"chunked":
                raise ValueError("unclear where the body ends")

    def _tell_scope(self) -> None:
        scope, url = self.scope, httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["path"] = urllib.parse.unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        if (version := self.parser.get_http_version()) != "1.1":
            scope["http_version"] = version

    def _begin(self) -> None:
        """Answers the request, or has it wait for its turn."""
        most, app = self.limit_concurrency, self.app
        if most is not None and (len(self.connections) >= most or len(self.tasks) >= most):
            self.logger.warning("Exceeded concurrency limit.")
            app = busy
        before: Any = self.cycle  # none before the first
        cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=self.scope["http_version"] == "1.1" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        cycle.connection = self._left
        self.cycle = cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, app)
        else:
            self.pipeline.appendleft((cycle, app))
            # A few are read on, as the call under way must hear of a caller who hangs up.
            if len(self.pipeline) >= MOST_WAITING // 2:
                self.flow.pause_reading()

    def _refuse(self, answer: bytes) -> None:
        """Closes the connection, with words if it is this request's turn to be answered."""
        running = self._running
        if self.transport.is_closing():
            return
        is_next = running is None or running.response_complete
        if running is not None and running is self.cycle and running.more_body:
            is_next = not running.response_started
        if is_next:
            self.transport.write(answer)
        self.transport.close()

    def _is_answering(self) -> bool:
        cycle: Any = self.cycle  # none before the first request
        return cycle is not None and not cycle.response_complete

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _await_head(self) -> None:
        self._head_came()
        self._deadline = self.loop.call_later(HEAD_TIME, self.transport.close)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _look_at_rest(self) -> None:
        """Whether a kept connection has been without a request for too long."""
        self._rest = None
        if self._in_head or self._is_answering():
            return  # the end of the next answer sets it again
        left = self._rests_since + self.timeout_keep_alive - self.loop.time()
        if left > 0.001:
            self._rest = self.loop.call_later(left, self._look_at_rest)
        else:
            self.transport.close()

    def _await_reader(self) -> None:
        if self._reader is None:
            left = self.transport.get_write_buffer_size()
            self._reader = self.loop.call_later(STALL_TIME, self._look_at_reader, left)

    def _look_at_reader(self, before: int) -> None:
        self._reader = None
        left = self.transport.get_write_buffer_size()
        if left >= before:
            self.transport.abort()  # to close would wait for the reader
        elif left:
            self._await_reader()

    def _reader_came(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
