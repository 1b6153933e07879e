"""Both ends of the gateway as bytes: an upstream that is as strict as the RFC, a raw caller."""

import contextlib
import re
import socket
import threading
from dataclasses import dataclass

_LINE = re.compile(rb"[A-Z]+ /[!-~]* HTTP/1\.1")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([^\x00-\x08\x0a-\x1f\x7f]*)")
_CHUNK = re.compile(rb"([0-9a-f]{1,8})\r\n")
_HOPS = frozenset(
    b"connection keep-alive proxy-connection proxy-authorization te trailer upgrade expect"
    b" http2-settings via".split()
)


class Doubtful(Exception):
    """Bytes that two servers could read in two ways, or that a proxy must not send on."""


@dataclass(frozen=True)
class Sent:
    """One request as it came, to the byte."""

    target: bytes
    raw: bytes
    body: bytes


def take(data: bytes) -> tuple[Sent, bytes] | None:
    """The first request of `data` and what follows it; None while there is more to come."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    line, *lines = head.split(b"\r\n")
    if not _LINE.fullmatch(line):
        raise Doubtful(line)
    pairs = []
    for each in lines:
        if not (found := _HEADER.fullmatch(each)):
            raise Doubtful(each)
        pairs.append((found[1].lower(), found[2]))
    names = [name for name, _ in pairs]
    framing = [pair for pair in pairs if pair[0] in (b"content-length", b"transfer-encoding")]
    if names.count(b"host") != 1 or len(framing) > 1 or _HOPS.intersection(names):
        raise Doubtful(head)
    found_body = _body(framing, rest)
    if found_body is None:
        return None
    body, rest = found_body
    return Sent(line.split()[1], data[: len(data) - len(rest)], body), rest


def _body(framing: list[tuple[bytes, bytes]], rest: bytes) -> tuple[bytes, bytes] | None:
    if not framing:
        return b"", rest
    ((name, value),) = framing
    if name == b"content-length":
        if not re.fullmatch(rb"\d+", value):
            raise Doubtful(value)
        size = int(value)
        return (rest[:size], rest[size:]) if len(rest) >= size else None
    if value != b"chunked":
        raise Doubtful(value)
    body = b""
    while found := _CHUNK.match(rest):
        size = int(found[1], 16)
        chunk, rest = rest[found.end() :][:size], rest[found.end() + size :]
        if len(rest) < 2:
            return None
        if len(chunk) < size or rest[:2] != b"\r\n":
            raise Doubtful(rest)
        rest = rest[2:]
        if not size:
            return body, rest
        body += chunk
    if b"\r\n" in rest:
        raise Doubtful(rest)
    return None


class Wire:
    """An upstream on 127.0.0.1 that keeps every byte. `doubts`: what it could not read."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

    def __init__(self) -> None:
        self.answer = self.ANSWER
        self.hold = threading.Event()  # cleared: nothing is answered
        self.hold.set()
        self.requests: list[Sent] = []
        self.doubts: list[bytes] = []
        self.seen = b""
        self._lock = threading.Lock()
        self._lines: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                self._lines.append(line)
                self._threads.append(threading.Thread(target=self._serve, args=(line,)))
                self._threads[-1].start()

    def _serve(self, line: socket.socket) -> None:
        data = b""
        with line, contextlib.suppress(OSError):
            while more := line.recv(65536):
                with self._lock:
                    self.seen += more
                data += more
                try:
                    while found := take(data):
                        sent, data = found
                        self.requests.append(sent)
                        self.hold.wait(60)
                        line.sendall(self.answer)
                except Doubtful as doubt:
                    self.doubts.append(doubt.args[0])
                    return


class Caller:
    """A raw connection to the gateway. Reads answers by their length, and to the end."""

    def __init__(self, port: int) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), timeout=25)
        self._data = b""

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def say(self, *pieces: bytes) -> None:
        with contextlib.suppress(OSError):
            for piece in pieces:
                self._line.sendall(piece)

    def half_close(self) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)

    def status(self, *, bare: bool = False) -> int:
        """Of the next answer, which is read whole; 0 when the line is closed without one.

        `bare`: no body follows, whatever its headers say.
        """
        while b"\r\n\r\n" not in self._data:
            if not self._more():
                return 0
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        size = int(length[1]) if length and not bare else 0
        while len(self._data) < size and self._more():
            pass
        self._data = self._data[size:]
        return int(head.split()[1])

    def rest(self) -> bytes:
        """What comes until the line is closed. Fails when it stays open."""
        while self._more():
            pass
        return self._data

    def _more(self) -> bool:
        try:
            more = self._line.recv(65536)
        except ConnectionResetError:
            more = b""
        self._data += more
        return bool(more)
