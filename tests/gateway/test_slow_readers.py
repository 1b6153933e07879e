"""Callers who take their time over an answer, or leave before it."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from config import protocol
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, wait_until
from tests.upstream import Answer, Upstream
from usage.models import Call


def asked(key: str) -> bytes:
    head = f"GET /gateway/modelslab{TEXT2IMG} HTTP/1.1\r\nHost: x\r\n"
    return f"{head}Authorization: Bearer {key}\r\n\r\n".encode()


def test_a_caller_who_takes_nothing_of_an_answer_is_let_go(
    gateway: Server, provider: Upstream, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "STALL_TIME", 0.3)
    # What the kernel holds on the way to the caller; it may be 32 MB on either side otherwise.
    gateway._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    produced = 0

    def endless() -> Iterator[bytes]:
        nonlocal produced
        while True:
            produced += 1
            yield bytes(1024 * 1024)

    provider.handler = lambda _: Answer(200, endless(), {"Content-Type": "video/mp4"})
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        line.connect(("127.0.0.1", gateway.port))
        line.sendall(asked(key))
        call = wait_until(lambda: Call.objects.first())
    assert call.outcome == "aborted"
    # What the sockets on the way hold; all that was produced went past the gateway's memory.
    assert call.bytes_out < 8 * 1024 * 1024
    assert produced < 64


class Line:
    """A transport and its loop's clock: what is left of the answer at each look."""

    def __init__(self, *left: int) -> None:
        self.left = list(left)
        self.looks: list[Callable[[], None]] = []
        self.is_cut = False

    def get_write_buffer_size(self) -> int:
        return self.left[0]

    def call_later(self, _: float, look: Callable[..., None], *args: Any) -> Any:
        self.looks.append(lambda: look(*args))
        return self

    def abort(self) -> None:
        self.is_cut = True


@pytest.mark.parametrize(
    ("left", "is_cut"),
    [((900, 899, 600, 1, 0), False), ((900, 500, 500), True), ((900, 950), True)],
)
def test_whoever_takes_something_between_two_looks_is_waited_for(
    left: tuple[int, ...], is_cut: bool
) -> None:
    line = Line(*left)
    made = object.__new__(protocol.BoundedProtocol)
    made.transport = made.loop = line  # type: ignore[assignment]
    made._await_reader()
    while line.looks:
        del line.left[0]
        line.looks.pop()()
    assert line.is_cut is is_cut
    assert line.left == [left[-1]]


def test_a_caller_who_hangs_up_is_noticed_behind_a_request_that_waits(
    gateway: Server, provider: Upstream, key: str
) -> None:
    never = threading.Event()
    provider.answer(200, wait_for=never)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=25) as line:
        line.sendall(asked(key) * 2)
        provider.wait_for_requests(1)
    assert wait_until(lambda: Call.objects.first()).outcome == "aborted"
    assert len(provider.requests) == 1
    never.set()


def test_who_closes_half_of_the_line_hung_up(gateway: Server, provider: Upstream, key: str) -> None:
    """As nginx and Go's server have it: the provider isn't kept at work for nobody."""
    never = threading.Event()
    provider.answer(200, wait_for=never)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=25) as line:
        line.sendall(asked(key))
        provider.wait_for_requests(1)
        line.shutdown(socket.SHUT_WR)
        assert line.recv(65536) == b""
    assert wait_until(lambda: Call.objects.first()).outcome == "aborted"
    never.set()
