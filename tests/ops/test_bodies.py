"""How much anybody may send to pages and REST: a bound, before anything is kept of it."""

import socket
from pathlib import Path

import pytest

from tests.live import PATIENCE, Keydeck, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
PATHS = ["/accounts/login/", "/healthz", "/api/v1/applications"]
PIECE = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"  # 64 KB, chunked


def say(keydeck: Keydeck, path: str, length: str) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", keydeck.port), timeout=25)
    line.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
    return line


def hear(line: socket.socket, until: bytes) -> bytes:
    heard = b""
    while until not in heard and (part := line.recv(65536)):
        heard += part
    return heard


@pytest.mark.parametrize("path", PATHS)
def test_a_length_past_the_bound_is_refused_before_the_body(keydeck, path):
    with say(keydeck, path, "Content-Length: 301000000") as line:
        answer = hear(line, b"large" if "api" in path else b"too much at once")

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", PATHS)
def test_of_an_endless_body_nothing_reaches_the_disk(keydeck, path):
    def written() -> int:
        counters = Path(f"/proc/{keydeck.pids()['web']}/io").read_text().split()
        return int(counters[counters.index("wchar:") + 1])

    before = written()
    with say(keydeck, path, "Transfer-Encoding: chunked") as line:
        for _ in range(320):  # 20 MB
            line.sendall(PIECE)
        line.sendall(b"0\r\n\r\n")
        answer = hear(line, b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert written() - before < 2_000_000


def test_the_connection_serves_on_after_a_refused_body(keydeck):
    with say(keydeck, "/api/v1/applications", "Content-Length: 4000000") as line:
        line.sendall(b"x" * 4_000_000)
        assert b" 413 " in hear(line, b"too large")
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP/1.1 200 " in hear(line, b"ok")


def test_a_body_within_the_bound_is_looked_at(keydeck):
    body = b'{"name": "' + b"x" * 2_000_000 + b'"}'
    head = f"Content-Length: {len(body)}\r\nAuthorization: Bearer {keydeck.token}"
    with say(keydeck, "/api/v1/applications", head) as line:
        line.sendall(body)
        answer = hear(line, b"}")

    assert b" 422 " in answer


def test_who_hangs_up_in_the_middle_leaves_the_next_alone(keydeck):
    for _ in range(5):
        with say(keydeck, "/api/v1/applications", "Content-Length: 4000000") as line:
            line.sendall(b"x" * 3_000_000)

    assert wait_for(
        lambda: keydeck.call("GET", "/applications").status == 200, PATIENCE, "an answer"
    )
