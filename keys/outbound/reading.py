"""One answer on a connection that is kept, as its parser finds it."""

from http.client import HTTPException, IncompleteRead
from typing import Any

import httptools

from keys.outbound.line import LIMIT, MOST_HEADERS, MOST_INTERIM, new_parser


class Reading:
    """What a parser found so far. What it raises breaks the answer."""

    def __init__(self, *, is_head: bool) -> None:
        self.parser: Any = new_parser(self)
        self.status = 0  # 0: not there yet
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.error: Exception | None = None
        self.is_complete = False
        self.may_stay = False  # whether another call may follow on the connection
        self._is_head = is_head
        self._coming: list[tuple[bytes, bytes]] = []
        self._interim = self._around = 0
        self._is_interim = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is left of it."""
        return self.is_complete and not self.parts

    def feed(self, data: bytes) -> None:
        """Raises HTTPException for what is no head; of a body, `error` says it to who reads on."""
        self._around += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.may_stay = False
        except httptools.HttpParserError:
            self._break("not HTTP")
        if self._around > LIMIT:
            self._break("a head without end")

    def ends(self) -> None:
        """The connection is at its end. Raises IncompleteRead where the body isn't."""
        framing = (b"content-length", b"transfer-encoding")
        self.may_stay = False
        if any(name.lower() in framing for name, _ in self.headers):
            raise IncompleteRead(b"")
        self.is_complete = True

    def _break(self, why: str) -> None:
        self.may_stay = False
        if self.is_complete:
            return  # nobody reads what follows
        if not self.status:
            raise HTTPException(why)
        self.error = HTTPException(why)

    def on_message_begin(self) -> None:
        if self.is_complete:
            self.may_stay = False  # a second answer to one question, or the beginning of one

    def on_status(self, status: bytes) -> None:
        self.reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        if b"\0" in value:
            raise HTTPException("no header")
        self._coming.append((name, value))

    def on_headers_complete(self) -> None:
        if self.is_complete:
            return
        headers, self._coming = self._coming, []
        if len(headers) > MOST_HEADERS:
            raise HTTPException("a head without end")
        self._around = 0
        status = self.parser.get_status_code()
        if status == 100:  # any other of its kind is none that http.client passes over
            self._is_interim, self.reason = True, b""
            self._interim += 1
            if self._interim > MOST_INTERIM:
                raise HTTPException("interim answers without end")
            return
        self.status, self.headers = status, headers
        self.may_stay = status >= 200 and self.parser.should_keep_alive()
        if self._is_head or status < 200:
            self.is_complete = True

    def on_body(self, body: bytes) -> None:
        self._around = 0
        if self.is_complete:
            self.may_stay = False  # a body where none is due
        else:
            self.parts.append(body)

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._is_interim = False
        else:
            self.is_complete = True
