"""A provider on a bare socket that answers exactly the bytes a test gives it."""

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable

Play = Callable[["Line"], None]


class Line:
    """One connection of the gateway: what it asked last, and what is answered."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._rest = b""
        self.head = b""

    def ask(self) -> bool:
        """Whether another request came; its head is in `head` then. Its body is left unread."""
        while b"\r\n\r\n" not in self._rest:
            part = self.sock.recv(65536)
            if not part:
                return False
            self._rest += part
        self.head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return True

    def body(self) -> bytes:
        found = re.search(rb"content-length: (\d+)", self.head, re.IGNORECASE)
        size = int(found[1]) if found else 0
        while len(self._rest) < size:
            part = self.sock.recv(65536)
            if not part:
                raise ConnectionError
            self._rest += part
        whole, self._rest = self._rest[:size], self._rest[size:]
        return whole

    def say(self, *parts: bytes) -> None:
        for part in parts:
            self.sock.sendall(part)

    def reset(self) -> None:
        """Ends the connection with RST, whatever is still under way."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class RawProvider:
    """Plays `plays[name]` for a request to `/api/v6/name`; any other path is answered its name."""

    def __init__(self, plays: dict[str, Play]) -> None:
        self._plays = plays
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._lines: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.requests = 0
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was shut down
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._lines.append(sock)
                self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
                self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        line = Line(sock)
        with sock, contextlib.suppress(OSError):
            while line.ask():
                self.requests += 1
                name = line.head.split(b" ")[1].decode().removeprefix("/api/v6/").partition("?")[0]
                play = self._plays.get(name)
                if play:
                    play(line)
                else:
                    line.body()
                    line.say(ok(b'{"status": "success", "name": "%s"}' % name.encode()))

    def close(self) -> None:
        for sock in (self._listener, *self._lines):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(60)


def ok(body: bytes = b'{"status": "success"}', *headers: bytes, media: bytes = b"") -> bytes:
    """An answer as it should be."""
    media = media or b"application/json"
    lines = (b"HTTP/1.1 200 OK", b"Content-Type: " + media, *headers)
    return b"\r\n".join((*lines, b"Content-Length: %d" % len(body), b"", body))
