"""One HTTP/1.1 connection to a provider: bytes out, an answer in, as cheap as both can be.

What an answer may cost is bounded: its head, its trailers, the interim answers before it, the
silence it may take, and how much of it waits here unread. Whatever is no HTTP/1 breaks the line.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import httptools

from keys.outbound.answer import Answer, BrokeOff

# Bytes of a head, of trailers or of a chunk's extension; beside what is read at a time, 256 KB.
LIMIT = 64 * 1024
MOST_HEADERS = 128
MOST_INTERIM = 10  # answers of 1xx before the one that counts
_LARGE = 64 * 1024  # bytes of a body that aren't copied behind the head
_ENDS = (b"\n\r\n", b"\n\n")  # of a head


class Line(asyncio.Protocol):
    """One call at a time. `timeout`: seconds of silence while an answer is due."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, timeout: float
    ) -> None:
        self.loop = loop
        self.idle_since = 0.0
        self._transport = transport
        self._timeout = timeout
        self.answer: Answer | None = None  # to the present call
        self.heard = False  # whether anything came of it
        self._parser = new_parser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._around = 0  # bytes since the last of a body or the last end of a head
        self._interim = 0
        self._is_interim = False
        self._is_second = False
        self._may_stay = True  # whether another call may follow
        self._sent = True  # whether the request is out
        self._pump: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None  # while no more may be written
        self._is_held = False
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # The caller's side.

    @property
    def is_fit(self) -> bool:
        """Whether another call may go out over it."""
        return self._may_stay and not self._transport.is_closing()

    def ask(self, method: str, head: bytes, body: bytes) -> Answer:
        """Sends a whole request."""
        answer = self._begin(method)
        if len(body) > _LARGE:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head + body)
        self._await_more()
        return answer

    def ask_in_parts(
        self, method: str, head: bytes, parts: AsyncIterator[bytes], *, chunked: bool
    ) -> Answer:
        """Sends a request whose body comes in parts; what they raise, the answer raises."""
        answer = self._begin(method)
        self._sent = False
        self._transport.write(head)
        self._pump = self.loop.create_task(self._send(parts, chunked=chunked))
        self._pump.add_done_callback(partial(self._pumped, answer))
        return answer

    def leave(self) -> bool:
        """Ends with the present answer; whether another call may follow."""
        answer, self.answer = self.answer, None
        if self._pump is not None and not self._sent:
            self._pump.cancel()
        self._pump = None
        if answer is None or not answer.complete or not self._sent or answer.error is not None:
            self._may_stay = False
        elif answer.method == "HEAD":
            self._parser = new_parser(self)  # the old one waits for a body
        if not self.is_fit:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Ends the connection, whatever is still to be sent."""
        self._may_stay = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.close() if self._sent else self._transport.abort()

    def hold(self) -> None:
        """Takes no more for now."""
        if not self._is_held and not self._transport.is_closing():
            self._is_held = True
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Takes more again."""
        if self._is_held:
            self._is_held = False
            self._await_more()
            if not self._transport.is_closing():
                self._transport.resume_reading()

    # The connection's side.

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        if answer is None or answer.complete:
            self._may_stay = False  # spoken to without being asked
            self._transport.close()
            return
        self.heard = True
        self._around += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._may_stay = False
        except httptools.HttpParserError:
            if answer.status != 101:  # behind that another protocol speaks
                self._fail(BrokeOff("no HTTP"))
                return
            self._may_stay = False
        if self._around > LIMIT and not answer.complete:
            self._fail(BrokeOff("a head without end"))
            return
        if answer.method == "HEAD" and answer.status and not data.endswith(_ENDS):
            self._may_stay = False  # the parser waits for a body and says nothing of its framing
        if self._sent:
            self._due = self.loop.time() + self._timeout
        answer.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._may_stay = False
        self.resume_writing()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        answer = self.answer
        if answer is None or answer.complete:
            return
        if exc is None and answer.status and answer.ends_with_the_line:
            answer.complete = True
            answer.wake()
        else:
            self._fail(BrokeOff("the connection ended"))

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # The parser's side. What these raise breaks the line.

    def on_message_begin(self) -> None:
        if self.answer is None or self.answer.complete:
            # A second answer to one question, be it the first bytes of its head alone: the rest
            # would swallow what the next caller gets.
            self._may_stay, self._is_second = False, True

    def on_header(self, name: bytes, value: bytes) -> None:
        if b"\0" in value:
            raise BrokeOff("no header")
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        answer, headers = self.answer, self._headers
        if answer is None or answer.complete:
            return  # a second one
        if len(headers) > MOST_HEADERS or (
            self._around > LIMIT and sum(len(name) + len(value) for name, value in headers) > LIMIT
        ):
            raise BrokeOff("a head without end")
        self._headers = []  # what comes now are trailers
        self._around = 0
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            self._is_interim = True
            self._interim += 1
            if self._interim > MOST_INTERIM:
                raise BrokeOff("interim answers without end")
            return
        answer.status, answer.headers = status, headers
        # Who answers what isn't out yet may take the rest of it for another request.
        if not self._parser.should_keep_alive() or self._transport.get_write_buffer_size():
            self._may_stay = False
        if answer.method == "HEAD" or status == 101:
            answer.complete = True

    def on_body(self, body: bytes) -> None:
        self._around = 0
        answer = self.answer
        if answer is None or self._is_second:
            return
        if answer.complete or self._is_interim:
            raise BrokeOff("a body where none is due")
        answer.came(body)

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._is_interim = False
        elif self.answer is not None:
            self.answer.complete = True

    def _begin(self, method: str) -> Answer:
        self._around = self._interim = 0
        self.heard = False
        self._headers = []
        answer = self.answer = Answer(self, method)
        return answer

    async def _send(self, parts: AsyncIterator[bytes], *, chunked: bool) -> None:
        async for part in parts:
            if self._transport.is_closing():
                return
            self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if self._drained is not None:
                async with asyncio.timeout(self._timeout):
                    await asyncio.shield(self._drained)
        if chunked:
            self._transport.write(b"0\r\n\r\n")
        self._sent = True
        self._await_more()

    def _pumped(self, answer: Answer, pump: asyncio.Task[None]) -> None:
        """Whatever the source of a body raised ends its call."""
        error = None if pump.cancelled() else pump.exception()
        if error is not None:
            self._may_stay = False
            answer.fail(error)

    def _await_more(self) -> None:
        self._due = self.loop.time() + self._timeout
        if self._timer is None and not self._transport.is_closing():
            self._timer = self.loop.call_later(self._timeout, self._look)

    def _look(self) -> None:
        """Whether the provider was silent for too long. One timer serves many calls."""
        self._timer = None
        answer = self.answer
        if answer is None or answer.complete or answer.error is not None or not self._sent:
            return  # the next call sets it again
        left = self._timeout if self._is_held else self._due - self.loop.time()
        if left > 0.001:
            self._timer = self.loop.call_later(left, self._look)
        else:
            self._fail(TimeoutError())

    def _fail(self, error: BaseException) -> None:
        if self.answer is not None:
            self.answer.fail(error)
        self._may_stay = False
        self._transport.abort()


def new_parser(reader: object) -> httptools.HttpResponseParser:
    """A parser of answers that takes what many servers say and browsers take."""
    parser = httptools.HttpResponseParser(reader)
    parser.set_dangerous_leniencies(
        lenient_headers=True,
        lenient_optional_cr_before_lf=True,
        lenient_spaces_after_chunk_size=True,
    )
    return parser
