"""Streams over a real server: how they end."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from django.db import OperationalError

from tests.calls.conftest import Client, keep
from tests.gateway.serving import Server, wait_until
from usage.events import CallEvent
from usage.stats import raw
from usage.tail import following

pytestmark = pytest.mark.django_db(transaction=True)
Made = Callable[..., CallEvent]


@pytest.fixture
def server() -> Iterator[Server]:
    async def with_lifespan(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for ended in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{ended}.complete"})

    app = Client().app
    server = Server(with_lifespan)
    server.start()
    yield server
    server.stop()


def ask(server: Server, token: str, path: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return server.session.get(f"{server.url}{path}", headers=headers, stream=True, timeout=60)


def test_an_export_is_whole_or_a_client_sees_that_it_is_not(
    server: Server, token: str, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage.stats.files.PAGE", 2)
    keep([made() for _ in range(6)])
    assert len(ask(server, token, "/api/v1/calls/export").content.splitlines()) == 6
    read, pages = raw._page, iter(range(2))

    def until_the_database_goes(*given: Any) -> Any:
        if next(pages, None) is None:
            raise OperationalError("server closed the connection")
        return read(*given)

    monkeypatch.setattr(raw, "_page", until_the_database_goes)
    answer = ask(server, token, "/api/v1/calls/export")
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _ = answer.content


def test_a_server_that_stops_does_not_wait_for_followers(server: Server, token: str) -> None:
    answer = ask(server, token, "/api/v1/calls/tail")
    assert next(answer.iter_lines()).startswith(b"retry:")
    server.stop()  # fails when the server is still there after 20 seconds


def test_followers_have_no_thread_each(
    server: Server, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following.places, "each", 30)
    begun = [ask(server, token, "/api/v1/calls/tail") for _ in range(2)]
    wait_until(lambda: all(next(one.iter_lines()) for one in begun))
    few = threading.active_count()
    begun += [ask(server, token, "/api/v1/calls/tail") for _ in range(20)]
    assert all(next(one.iter_lines()).startswith(b"retry:") for one in begun[2:])
    wait_until(lambda: threading.active_count() <= few + 2)
