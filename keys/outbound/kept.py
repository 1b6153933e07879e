"""A call over a connection that urllib3 keeps, past most of what urllib3 does for one.

Connections are made, checked and kept by the pools of `keys.outbound.pinned`. Most calls find one
waiting; those are written and read here at a fifth of the cost. Whatever is unusual (no connection,
a body in parts, a proxy that is told the whole URL) goes the long way.
"""

import re
import sys
from collections.abc import Generator, Iterable
from email.message import Message
from http.client import HTTPException, IncompleteRead
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPResponse
from urllib3.exceptions import (
    ClosedPoolError,
    EmptyPoolError,
    ProtocolError,
    ReadTimeoutError,
)

from keys.outbound.reading import Reading

_TARGET = re.compile(r"[!\"$-~]+")  # a fragment is not for the provider
_METHOD = re.compile(r"[A-Z]+")
_PIECE = 64 * 1024  # bytes read at a time
_USUAL = {
    "accept-encoding": "Accept-Encoding: identity",
    "user-agent": "User-Agent: python-urllib3",
}
FRAMING = ("content-length", "transfer-encoding")
Headers = Iterable[tuple[str, str]]


def head_of(
    method: str, target: str, host: str, headers: Headers, length: int | None
) -> bytes | None:
    """What goes before a body; None for what only the long way knows how to say, or to refuse.

    `length`: of the body in bytes, whatever the headers say of it; None where there is none.
    """
    if not (_METHOD.fullmatch(method) and _TARGET.fullmatch(target)):
        return None
    sent = {name.lower(): f"{name}: {value}" for name, value in headers}
    for name in FRAMING:  # else the next call on the connection would be taken for a body
        sent.pop(name, None)
    if length is not None:
        sent["content-length"] = f"Content-Length: {length}"
    first = sent.pop("host", None) or f"Host: {host}"
    lines = [f"{method} {target} HTTP/1.1", first, *(_USUAL | sent).values()]
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
) -> "Answer | None":
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


class Answer(HTTPResponse):
    """urllib3's, which streams a body in chunks as they come, and any other in a few steps."""

    def stream(
        self, amt: int | None = 2**16, decode_content: bool | None = None
    ) -> Generator[bytes, None, None]:
        """The body in pieces of `amt` bytes; of chunks, what has come."""
        if not self.chunked and "content-encoding" in self.headers:
            yield from super().stream(amt, decode_content)
            return
        read = self.read1 if self.chunked else self._as_it_is
        while piece := read(amt, decode_content):
            yield piece

    def _as_it_is(self, amt: int | None, decode_content: bool | None) -> bytes:
        del decode_content  # nothing is to be unpacked
        fp: Any = self._fp
        return b"" if fp is None or fp.isclosed() else self._raw_read(amt)


class _Source:
    """The body of one answer as a file; gives its connection back when it was read whole."""

    def __init__(self, pool: HTTPConnectionPool, connection: Any, *, is_head: bool) -> None:
        self.closed = False
        self._pool = pool
        self._connection: Any = connection
        self._reading = Reading(is_head=is_head)

    def read_head(self) -> None:
        """Raises OSError and HTTPException."""
        while not self._reading.status:
            if not self._receive():
                raise HTTPException("Remote end closed connection without response")

    def response(self, method: str, target: str) -> Answer:
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
        return Answer(
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
        """As of a file: as many bytes, unless the body ends. Raises OSError and HTTPException."""
        return self._taken(amount, sys.maxsize if amount is None or amount < 0 else amount)

    def read1(self, amount: int | None = None) -> bytes:
        """As of a file: what has come, at least one byte unless the body ends."""
        return self._taken(amount, 1)

    def _taken(self, most: int | None, least: int) -> bytes:
        reading = self._reading
        try:
            size = sum(map(len, reading.parts))
            while size < least and not reading.is_complete:
                known = len(reading.parts)
                self._read_on()
                size += sum(map(len, reading.parts[known:]))
        except (OSError, HTTPException):
            self.close()  # who has the answer need not
            raise
        data = reading.parts[0] if len(reading.parts) == 1 else b"".join(reading.parts)
        reading.parts.clear()
        if most is not None and 0 <= most < len(data):
            reading.parts.append(data[most:])
            data = data[:most]
        if reading.is_over:
            self._give_back()
        return data

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
