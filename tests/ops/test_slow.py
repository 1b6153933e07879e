"""Who is slow or silent holds no connection for ever, and fills no log."""

import asyncio
import contextlib
import json
import logging
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from config import bodies, protocol
from config.asgi import application, gateway
from tests.gateway.serving import Server, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@contextlib.contextmanager
def running(app: Any) -> Iterator[Server]:
    made = Server(app)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def server() -> Iterator[Server]:
    """Pages, REST and gateway. Whatever a test wants done in time, only that gets little of it:
    on a loaded machine the rest would come too late as well."""
    with running(application) as made:
        yield made


@pytest.fixture
def listener() -> Iterator[Server]:
    """The gateway's own."""
    with running(gateway) as made:
        yield made


def connect(server: Server, said: bytes = b"") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=25)
    line.sendall(said)
    return line


def all_of(line: socket.socket) -> bytes:
    return b"".join(iter(lambda: line.recv(65536), b""))


def _more(line: socket.socket) -> bytes:
    came = line.recv(65536)
    assert came, "the line was closed before the end of an answer"
    return came


def read_one(line: socket.socket) -> bytes:
    """One whole answer of a connection that stays open."""
    answer = b""
    while not (found := re.search(rb"content-length: (\d+)\r\n(?s:.*?)\r\n\r\n", answer)):
        answer += _more(line)
    while len(answer) < found.end() + int(found[1]):
        answer += _more(line)
    return answer


@pytest.mark.parametrize("said", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_without_a_whole_head_is_closed(
    server: Server, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIME", 0.3)
    with connect(server, said) as line:
        assert all_of(line) == b""


def test_a_connection_that_had_an_answer_has_as_long_for_its_next_head(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    with connect(server, head + b"\r\n") as line:
        answer = read_one(line)
        assert answer.startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(protocol, "HEAD_TIME", 0.3)
        line.sendall(head)
        assert all_of(line) == b""


@pytest.mark.parametrize(
    ("head", "later"),
    [
        (b"GET /healthz HTTP/1.1\r\n", b"\r\n"),
        (b"POST /no HTTP/1.1\r\nContent-Length: 9\r\n", b"{"),
    ],
    ids=["empty lines", "the rest of a body whose answer is out"],
)
def test_a_connection_is_kept_by_no_drip_behind_an_answer(
    listener: Server, monkeypatch: pytest.MonkeyPatch, head: bytes, later: bytes
) -> None:
    with connect(listener, head + b"Host: localhost\r\n\r\n") as line:
        read_one(line)
        monkeypatch.setattr(protocol, "HEAD_TIME", 0.3)
        line.sendall(later)
        assert all_of(line) == b""


def test_connections_far_past_the_bound_are_cut_before_they_say_anything(
    listener: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener._server.config, "limit_concurrency", 1)
    monkeypatch.setattr(protocol, "MOST_TOLD", 1)
    cut = contextlib.suppress(ConnectionResetError)
    with connect(listener), connect(listener), connect(listener) as line, cut:
        assert all_of(line) == b""
    wait_until(lambda: not listener._server.server_state.connections)
    with connect(listener, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as line:
        assert all_of(line).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("path", [b"/accounts/login/", b"/api/v1/applications"])
def test_a_body_that_does_not_come_is_given_up(
    server: Server,
    path: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(bodies, "BODY_TIME", 0.3)
    with connect(server, b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\n") as line:
        line.sendall(b"Content-Length: 100\r\n\r\nname=")
        answer = all_of(line)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b"too slowly.")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_an_answer_may_take_longer_than_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIME", 0.01)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        waiting.cancel()
        await send("answered")

    async def run() -> list[Any]:
        sent: list[Any] = []
        messages = asyncio.Queue[Any]()
        messages.put_nowait({"type": "http.request", "body": b"x", "more_body": False})

        async def send(message: Any) -> None:
            sent.append(message)

        await bodies.bounded(slow)({"headers": []}, messages.get, send)
        return sent

    assert asyncio.run(run()) == ["answered"]


def test_malformed_requests_are_refused_without_a_line_each(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with connect(server, b"NONSENSE\r\n\r\n") as line:
            assert all_of(line).startswith(b"HTTP/1.1 400 ")
    assert "Invalid HTTP request" not in caplog.text


def test_requests_piled_up_before_their_answers_are_refused(listener: Server) -> None:
    with connect(listener) as line:
        with contextlib.suppress(OSError):
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5000)
        with contextlib.suppress(OSError):
            answers = all_of(line)
            assert answers.count(b"HTTP/1.1 200") <= protocol.MOST_WAITING + 2


def test_a_few_requests_ahead_of_their_answers_are_answered_in_order(listener: Server) -> None:
    with connect(listener) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 9)
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert all_of(line).count(b"HTTP/1.1 200") == 10


def test_a_server_that_is_full_says_so_in_the_gateways_words(
    listener: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener._server.config, "limit_concurrency", 1)
    with connect(listener, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as line:
        head, _, body = all_of(line).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 503 ")
    said = json.loads(body)
    assert said["error"]["code"] == "unavailable"
    assert f"x-request-id: {said['request_id']}" in head.decode()


def test_the_gateways_own_listener_says_not_found_in_its_words(listener: Server) -> None:
    answer = listener.session.get(f"{listener.url}/applications/")
    said = answer.json()
    assert (answer.status_code, said["error"]["code"]) == (404, "not_found")
    assert said["request_id"] == answer.headers["X-Request-Id"]
