"""A KeyedSession's calls share connections, and none gets what belongs to another call."""

from collections.abc import Callable

import pytest
import requests
from pytest_django import Settings

from tests.gateway.raw import Line, Play, RawProvider, ok
from usage.client import KeyedSession

Start = Callable[..., KeyedSession]


def cookie(line: Line) -> None:
    line.body()
    line.say(ok(b"{}", b"Set-Cookie: seen=1; Path=/"))


def bare(line: Line) -> None:
    line.body()
    line.say(b"HTTP/1.1 204 None\r\n\r\n")


def chunks(line: Line) -> None:
    line.body()
    line.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    line.say(b"3\r\nabc\r\n", b"3\r\ndef\r\n0\r\n\r\n")


def closes(line: Line) -> None:
    line.body()
    line.say(ok(b"{}", b"Connection: close"))


def cut(line: Line) -> None:
    line.body()
    line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    line.reset()


def begins_another(line: Line) -> None:
    line.body()
    line.say(ok(b"{}") + b"HTTP/1.1 200 OK\r\nX: ")


PLAYS: dict[str, Play] = {
    "cookie": cookie,
    "bare": bare,
    "chunks": chunks,
    "closes": closes,
    "cut": cut,
    "begins": begins_another,
}


@pytest.fixture
def provider(settings: Settings) -> RawProvider:
    made = RawProvider(PLAYS)
    settings.PROVIDER_URLS = {"modelslab": f"http://{made.host}"}
    settings.OUTBOUND_ALLOW = [made.host]
    return made


@pytest.fixture
def session(start_session: Start, provider: RawProvider) -> KeyedSession:
    return start_session()


def lines(provider: RawProvider) -> int:
    return len(provider._lines)


def test_call_after_call_goes_over_one_connection(
    session: KeyedSession, provider: RawProvider
) -> None:
    try:
        for name in ("first", "cookie", "bare", "chunks", "last"):
            answer = session.post(f"/api/v6/{name}", json={"prompt": "x"})
            assert answer.ok, name
            if name == "chunks":
                assert answer.text == "abcdef"
            elif name == "cookie":
                assert answer.cookies["seen"] == "1"
            elif name != "bare":
                assert answer.json()["name"] == name
        assert lines(provider) == 1
    finally:
        provider.close()


def test_a_stream_is_read_piece_by_piece_and_its_connection_used_again(
    session: KeyedSession, provider: RawProvider
) -> None:
    try:
        session.post("/api/v6/first", json={})
        with session.post("/api/v6/chunks", json={}, stream=True) as answer:
            assert b"".join(answer.iter_content(2)) == b"abcdef"
        with session.post("/api/v6/chunks", json={}, stream=True):
            pass  # left in the middle: nobody may get what is left of it
        assert session.post("/api/v6/last", json={}).json()["name"] == "last"
        assert lines(provider) == 2
    finally:
        provider.close()


def test_a_connection_that_ended_is_not_used_again(
    session: KeyedSession, provider: RawProvider
) -> None:
    try:
        session.post("/api/v6/first", json={})
        assert session.post("/api/v6/closes", json={}).ok
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            session.post("/api/v6/cut", json={})
        assert session.post("/api/v6/last", json={}).json()["name"] == "last"
        assert lines(provider) == 3
    finally:
        provider.close()


def test_a_connection_on_which_another_answer_began_is_not_used_again(
    session: KeyedSession, provider: RawProvider
) -> None:
    try:
        session.post("/api/v6/first", json={})
        assert session.post("/api/v6/begins", json={}).ok
        assert session.post("/api/v6/last", json={}).json()["name"] == "last"
        assert lines(provider) == 2
    finally:
        provider.close()
