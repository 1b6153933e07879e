"""The gateway's connections to providers: kept, never mixed up, bounded."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest
from pytest_django import Settings

from keys.outbound.answer import BrokeOff
from keys.outbound.lines import Lines

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Serve = Callable[[socket.socket], None]


class Provider:
    """Serves one connection after the other, each by the next function of a list."""

    def __init__(self, *serve: Serve) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        # What it doesn't read stays with the caller, however large a system's own buffers are.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: list[bytes] = []
        self.taken = 0
        self._serve = serve
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def head(self, sock: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            part = sock.recv(65536)
            if not part:
                raise ConnectionError
            data += part
        self.heads.append(data)
        return data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _run(self) -> None:
        for serve in self._serve:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.taken += 1
            with sock, contextlib.suppress(OSError):
                serve(sock)


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[..., Provider]]:
    made: list[Provider] = []

    def begin(*names: str) -> Provider:
        serve = [lambda sock, name=name: WAYS[name](made[0], sock) for name in names]
        made.append(Provider(*serve))
        settings.OUTBOUND_ALLOW = [made[0].host]
        return made[0]

    yield begin
    for provider in made:
        provider.close()


def always(provider: Provider, sock: socket.socket) -> None:
    while True:
        sock.sendall(OK[:-2] if provider.head(sock).startswith(b"HEAD") else OK)


def once_and_closes(provider: Provider, sock: socket.socket) -> None:
    provider.head(sock)
    sock.sendall(OK)
    provider.head(sock)


def once_and_speaks_on(provider: Provider, sock: socket.socket) -> None:
    provider.head(sock)
    sock.sendall(OK)
    sock.sendall(OK.replace(b"{}", b"[]"))
    provider.head(sock)


WAYS = {"always": always, "closes": once_and_closes, "speaks": once_and_speaks_on}


def run(calls: Callable[[Lines], Awaitable[None]], timeout: float = 5.0) -> None:
    async def work() -> None:
        lines = Lines(2.0, timeout)
        try:
            await calls(lines)
        finally:
            await lines.close()

    asyncio.run(work())


async def body_of(lines: Lines, method: str, url: str) -> bytes:
    answer = await lines.ask(url, "", method, (), b"", None)
    try:
        found = b""
        while (part := await answer.part()) is not None:
            found += part
        return found
    finally:
        lines.leave(answer)


def test_one_connection_serves_call_after_call(start: Callable[..., Provider]) -> None:
    provider = start("always")

    async def calls(lines: Lines) -> None:
        for method in ("POST", "GET", "HEAD", "GET"):
            found = await body_of(lines, method, f"http://{provider.host}/v1/x?a=b")
            assert found == (b"" if method == "HEAD" else b"{}")

    run(calls)
    assert provider.taken == 1
    assert provider.heads[0].startswith(b"POST /v1/x?a=b HTTP/1.1\r\nHost: ")
    assert b"\r\nContent-Length: 0\r\n" in provider.heads[0]
    assert b"Content-Length" not in provider.heads[1]


def test_a_get_is_sent_again_where_the_kept_connection_was_gone(
    start: Callable[..., Provider],
) -> None:
    provider = start("closes", "always")

    async def calls(lines: Lines) -> None:
        for _ in range(2):
            assert await body_of(lines, "GET", f"http://{provider.host}/") == b"{}"

    run(calls)
    assert provider.taken == 2


def test_a_post_is_never_sent_twice(start: Callable[..., Provider]) -> None:
    provider = start("closes", "always")

    async def calls(lines: Lines) -> None:
        await body_of(lines, "POST", f"http://{provider.host}/")
        with pytest.raises(BrokeOff):
            await body_of(lines, "POST", f"http://{provider.host}/")

    run(calls)
    assert provider.taken == 1


def test_a_connection_that_was_spoken_on_unasked_is_left(start: Callable[..., Provider]) -> None:
    provider = start("speaks", "always")

    async def calls(lines: Lines) -> None:
        for _ in range(2):
            assert await body_of(lines, "GET", f"http://{provider.host}/") == b"{}"
            while any(line.is_fit for line in lines._of) and provider.taken == 1:
                await asyncio.sleep(0)

    run(calls)
    assert provider.taken == 2


def test_a_header_that_holds_a_line_break_is_not_sent(start: Callable[..., Provider]) -> None:
    provider = start("always")

    async def calls(lines: Lines) -> None:
        for name, value in (("a", "b\r\nc: d"), ("a\nb", "c"), ("a", "b\0"), ("a", "\r")):
            with pytest.raises(ValueError, match="line break"):
                await lines.ask(f"http://{provider.host}", "/", "GET", ((name, value),), b"", None)

    run(calls)
    assert provider.heads == []


def once_and_begins_another(provider: Provider, sock: socket.socket) -> None:
    """A second answer whose head would swallow what the next caller gets."""
    provider.head(sock)
    sock.sendall(OK + b"HTTP/1.1 200 OK\r\nX: ")
    provider.head(sock)
    sock.sendall(OK)


def once_and_behind_a_head(provider: Provider, sock: socket.socket) -> None:
    provider.head(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;")
    provider.head(sock)
    sock.sendall(OK)


def before_it_has_the_body(provider: Provider, sock: socket.socket) -> None:
    provider.head(sock)
    sock.sendall(OK)
    while sock.recv(65536):
        pass


def interim_with_a_body(provider: Provider, sock: socket.socket) -> None:
    provider.head(sock)
    sock.sendall(b"HTTP/1.1 150 So\r\nContent-Length: 2\r\n\r\n[]" + OK)
    provider.head(sock)


WAYS |= {
    "begins": once_and_begins_another,
    "behind": once_and_behind_a_head,
    "early": before_it_has_the_body,
    "interim": interim_with_a_body,
}


@pytest.mark.parametrize(("way", "method"), [("begins", "GET"), ("behind", "HEAD")])
def test_a_connection_with_more_than_an_answer_on_it_is_left(
    start: Callable[..., Provider], way: str, method: str
) -> None:
    provider = start(way, "always")

    async def calls(lines: Lines) -> None:
        await body_of(lines, method, f"http://{provider.host}/")
        assert not any(line.is_fit for line in lines._of)
        assert await body_of(lines, "POST", f"http://{provider.host}/") == b"{}"

    run(calls)
    assert provider.taken == 2


def test_a_connection_answered_before_the_request_was_out_is_left(
    start: Callable[..., Provider],
) -> None:
    provider = start("early", "always")

    async def calls(lines: Lines) -> None:
        url = f"http://{provider.host}/"
        answer = await lines.ask(url, "", "POST", (), b"GET /x HTTP/1.1\r\n" * 2_000_000, None)
        assert await answer.part() == b"{}"
        lines.leave(answer)
        assert not lines._of
        assert await body_of(lines, "POST", url) == b"{}"

    run(calls)
    assert provider.taken == 2


def test_an_interim_answer_has_no_body_that_anybody_gets(start: Callable[..., Provider]) -> None:
    provider = start("interim")

    async def calls(lines: Lines) -> None:
        with pytest.raises(BrokeOff):
            await body_of(lines, "GET", f"http://{provider.host}/")

    run(calls)
