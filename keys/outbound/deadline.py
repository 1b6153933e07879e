"""A deadline over a whole exchange: a socket's own time-out starts anew with every byte."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

_current: ContextVar["Deadline | None"] = ContextVar("deadline", default=None)


class Deadline:
    """Shuts down the sockets given to `watch` when its time is over."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self.over = False

    def left(self) -> float:
        """Seconds left; raises TimeoutError when there are none."""
        left = self._ends - time.monotonic()
        if left <= 0 or self.over:
            raise TimeoutError
        return left

    def watch(self, sock: socket.socket) -> None:
        """Bind a connected socket to the deadline."""
        # A duplicate: wrapping in TLS takes the descriptor out of the socket object.
        twin = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            self._sockets.append(twin)
        if self.over:
            self._end()

    def start(self) -> None:
        self._timer.start()

    def close(self) -> None:
        self._timer.cancel()
        with self._lock:
            for twin in self._sockets:
                twin.close()
            self._sockets.clear()

    def _end(self) -> None:
        self.over = True
        with self._lock:
            for twin in self._sockets:
                with contextlib.suppress(OSError):  # closed by the other side
                    twin.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """The deadline of everything that this thread sends out inside the block."""
    made = Deadline(seconds)
    token = _current.set(made)
    made.start()
    try:
        yield made
    finally:
        _current.reset(token)
        made.close()


def current() -> Deadline | None:
    """The deadline of this thread's exchange, if it has one."""
    return _current.get()
