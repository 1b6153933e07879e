"""A call over a connection that urllib3 keeps, past most of what urllib3 does for one.

Connections are made, checked and kept by the pools of `keys.outbound.pinned`. Most calls find one
waiting; those are written and read here at a fifth of the cost. Whatever is unusual (no connection,
a body in parts, a proxy that is told the whole URL) goes the long way.
"""

import re
from email.message import Message
from http.client import HTTPException, IncompleteRead
from typing import Any

import httptools
from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPResponse
from urllib3.exceptions import (
    ClosedPoolError,
    EmptyPoolError,
    ProtocolError,
    ReadTimeoutError,
)

from keys.outbound.line import LIMIT, MOST_HEADERS, MOST_INTERIM, new_parser

_TARGET = re.compile(r"[!-~]+")
_METHOD = re.compile(r"[A-Z]+")
_PIECE = 64 * 1024  # bytes read at a time
_USUAL = {"accept-encoding": "identity", "user-agent": "python-urllib3"}


def head_of(method: str, target: str, host: str, headers: Any) -> bytes | None:
    """What goes before a body; None for what only the long way knows how to say, or to refuse."""
    if not (_METHOD.fullmatch(method) and _TARGET.fullmatch(target)):
        return None
    lines = [f"{method} {target} HTTP/1.1"]
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"{name}: {value}" for name, value in _USUAL.items() if name not in names]
    text = "\r\n".join(lines)
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        return None
    try:
        return text.encode("latin-1") + b"\r\n\r\n"
    except UnicodeEncodeError:
        return None


def ask(
    pool: HTTPConnectionPool, method: str, target: str, head: bytes, body: bytes, timeout: Any
) -> HTTPResponse | None:
    """The answer, its body not read yet; None: no connection is kept, and nothing was sent.

    `timeout`: seconds of silence, or None. Raises urllib3's ProtocolError and ReadTimeoutError.
    """
    try:
        connection: Any = pool._get_conn()
    except (ClosedPoolError, EmptyPoolError):
        return None
    if connection.sock is None:
        pool._put_conn(connection)
        return None
    source = _Source(pool, connection, is_head=method == "HEAD")
    try:
        if connection.sock.gettimeout() != timeout:
            connection.sock.settimeout(timeout)
        connection.sock.sendall(head + body)
        source.read_head()
    except TimeoutError:
        source.close()
        raise ReadTimeoutError(pool, "", f"Read timed out. (read timeout={timeout})") from None
    except (HTTPException, OSError) as error:
        source.close()
        raise ProtocolError("Connection aborted.", error) from None
    except BaseException:
        source.close()
        raise
    return source.response(method, target)


class _Reading:
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


class _Source:
    """The body of one answer as a file; gives its connection back when it was read whole."""

    def __init__(self, pool: HTTPConnectionPool, connection: Any, *, is_head: bool) -> None:
        self.closed = False
        self._pool = pool
        self._connection: Any = connection
        self._reading = _Reading(is_head=is_head)

    def read_head(self) -> None:
        """Raises OSError and HTTPException."""
        while not self._reading.status:
            if not self._receive():
                raise HTTPException("Remote end closed connection without response")

    def response(self, method: str, target: str) -> HTTPResponse:
        reading, headers = self._reading, HTTPHeaderDict()
        for name, value in reading.headers:
            headers.add(name.decode("latin-1"), value.decode("latin-1"))
        original = None
        if "set-cookie" in headers:  # how requests looks for cookies
            message = Message()
            for field, text in headers.iteritems():
                message[field] = text
            original = _Original(message)
        if reading.is_over:  # who sees that won't read it
            self._give_back()
        return HTTPResponse(
            body=self,  # type: ignore[arg-type] # reads as a file does
            headers=headers,
            status=reading.status,
            version=11,
            version_string="HTTP/1.1",
            reason=reading.reason.decode("latin-1"),
            preload_content=False,
            decode_content=False,
            original_response=original,  # type: ignore[arg-type] # asked for its `msg`
            request_method=method,
            request_url=target,
        )

    def read(self, amount: int | None = None) -> bytes:
        """As of a file. Raises OSError and HTTPException."""
        reading = self._reading
        whole = amount is None or amount < 0
        try:
            while (whole or not reading.parts) and not reading.is_complete:
                self._read_on()
        except (OSError, HTTPException):
            self.close()  # who has the answer need not
            raise
        data = reading.parts[0] if len(reading.parts) == 1 else b"".join(reading.parts)
        reading.parts.clear()
        if not whole and len(data) > (amount or 0):
            reading.parts.append(data[amount:])
            data = data[:amount]
        if reading.is_over:
            self._give_back()
        return data

    read1 = read

    def isclosed(self) -> bool:
        return self.closed or self._reading.is_over

    def close(self) -> None:
        """Ends the connection, unless the answer was read to its end."""
        self.closed = True
        self._reading.may_stay = self._reading.may_stay and self._reading.is_over
        self._give_back()

    def __del__(self) -> None:
        self.close()

    def _read_on(self) -> None:
        if self._reading.error is not None:
            raise self._reading.error
        if self._connection is None:
            raise IncompleteRead(b"")
        if not self._receive():
            self._reading.ends()

    def _receive(self) -> bool:
        """Whether there was more to read."""
        data = self._connection.sock.recv(_PIECE)
        if data:
            self._reading.feed(data)
        return bool(data)

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._reading.parser = None  # else the collector would have to find the two
            if not self._reading.may_stay:
                connection.close()
            self._pool._put_conn(connection)


class _Original:
    """Stands in for what http.client would have made of the answer."""

    def __init__(self, msg: Message) -> None:
        self.msg = msg

    def isclosed(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to do: the source has the connection."""
