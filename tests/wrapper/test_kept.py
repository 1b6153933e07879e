"""A KeyedSession's calls share connections, and none gets what belongs to another call."""

import threading
import zlib
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


HEARD = threading.Event()


def one_by_one(line: Line) -> None:
    """Each chunk only when the one before it was read, as a talk would be."""
    line.body()
    packed = b"gzip" if b"packed" in line.head else b"identity"
    kind = b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    line.say(b"HTTP/1.1 200 OK\r\nContent-Encoding: " + packed + b"\r\n" + kind + b"\r\n")
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    for event in EVENTS:
        HEARD.clear()
        part = event
        if packed == b"gzip":
            part = packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)
        line.say(b"%x\r\n%b\r\n" % (len(part), part))
        if not HEARD.wait(10):
            return
    line.say(b"0\r\n\r\n")


EVENTS = [b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n"]


def long(line: Line) -> None:
    line.body()
    body = bytes(range(256)) * 1000
    line.say(ok(body[:100], media=b"image/png").replace(b": 100", b": %d" % len(body)))
    line.say(body[100:])


PLAYS: dict[str, Play] = {
    "one-by-one": one_by_one,
    "long": long,
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


@pytest.mark.parametrize("size", [None, 1, 512])
@pytest.mark.parametrize("form", ["plain", "packed"])
def test_a_stream_on_a_kept_connection_is_given_as_it_comes(
    session: KeyedSession, provider: RawProvider, size: int | None, form: str
) -> None:
    try:
        session.post("/api/v6/first", json={})
        url = f"/api/v6/one-by-one?{form}"
        with session.post(url, json={}, stream=True, timeout=10) as answer:
            pieces = answer.iter_content(size)
            for event in EVENTS:
                read = b""
                while len(read) < len(event):
                    read += next(pieces)
                assert read == event
                HEARD.set()
            assert list(pieces) == []
        assert session.post("/api/v6/last", json={}).ok
        assert lines(provider) == 1
    finally:
        HEARD.set()
        provider.close()


def test_a_body_of_known_length_is_given_in_pieces_of_the_size_asked_for(
    session: KeyedSession, provider: RawProvider
) -> None:
    try:
        whole = session.post("/api/v6/long", json={}).content
        assert len(whole) == 256_000
        for size in (1000, 70_000, 300_000):
            with session.post("/api/v6/long", json={}, stream=True) as answer:
                pieces = list(answer.iter_content(size))
            assert b"".join(pieces) == whole
            assert {len(piece) for piece in pieces[:-1]} <= {size}
        with session.post("/api/v6/long", json={}, stream=True) as answer:
            assert len(answer.raw.read(100_000)) == 100_000
        assert session.post("/api/v6/long", json={}).content == whole
        assert lines(provider) == 2  # the one left in the middle was not used again
    finally:
        provider.close()


def test_headers_and_fragment_are_sent_as_requests_sends_them(
    session: KeyedSession, provider: RawProvider
) -> None:
    heads: list[bytes] = []

    def heard(line: Line) -> None:
        heads.append(line.head)
        line.body()
        line.say(ok())

    provider._plays = {**PLAYS, "heard": heard}
    try:
        for _ in range(2):  # over a new connection, and over the same again
            sent = {"X-Bytes": b"bytes", "Content-Length": "9", "Host": "of.the.caller"}
            session.post("/api/v6/heard?a=1#part", json={}, headers=sent)
    finally:
        provider.close()
    for head in heads:
        assert head.startswith(b"POST /api/v6/heard?a=1 HTTP/1.1\r\n")
        told = head.lower().split(b"\r\n")
        assert {b"x-bytes: bytes", b"host: of.the.caller"} <= {*told}
        assert len([line for line in told if line.startswith(b"content-length: ")]) == 1
        assert len([line for line in told if line.startswith(b"host: ")]) == 1
    assert len(heads) == 2


def test_a_body_ends_where_it_does_whatever_the_callers_headers_say(
    session: KeyedSession, provider: RawProvider
) -> None:
    heads: list[bytes] = []

    def heard(line: Line) -> None:
        heads.append(line.head.lower())
        if line.head.startswith(b"POST") and b"content-length" not in heads[-1]:
            while not line._rest.endswith(b"0\r\n\r\n"):
                line._rest += line.sock.recv(65536)
            line._rest = b""
        elif line.head.startswith(b"POST"):
            line.body()
        line.say(ok())

    provider._plays = {**PLAYS, "heard": heard, "model-search": heard}
    try:
        for _ in range(2):  # over a new connection, and over the same again
            for framing in ({"Content-Length": "9"}, {"Transfer-Encoding": "chunked"}):
                session.get("/api/v6/model-search", headers=framing, timeout=5)
        chunked = {"Transfer-Encoding": "chunked"}
        session.post("/api/v6/heard", json={}, headers=chunked, timeout=5)
        nine = {"Content-Length": "9"}
        session.post("/api/v6/heard", data=iter([b"a"]), headers=nine, timeout=5)
    finally:
        provider.close()
    names = (b"content-length: ", b"transfer-encoding: ")
    told = [[line for line in head.split(b"\r\n") if line.startswith(names)] for head in heads]
    assert told[:4] == [[]] * 4
    assert [len(lines) for lines in told[4:]] == [1, 1]
    assert told[5] == [b"transfer-encoding: chunked"]
