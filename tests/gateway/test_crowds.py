"""Bodies that have to be read whole are held within bounds, and nobody takes them all."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from keys.models import Application
from keys.states import KeyState
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call, wait_until
from tests.upstream import Answer, Received, Upstream
from usage.gateway import desk, inbound, room
from usage.gateway.errors import Denial
from usage.gateway.inbound import ROOM_FREE, Inbound
from usage.gateway.room import Room
from usage.gateway.throttle import OVERDRAFT

LIMIT = 1_500_000  # of a body; twice that is all the room there is
HALF_SENT = 665_000  # two of these leave room for a long one, but not to who sent them
LONG = "x" * 800_000  # several times what a server hands over in one piece
HERE = "127.0.0.0/24"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.GATEWAY_BODY_LIMIT = LIMIT
    for one in (room.strangers, room.callers):
        monkeypatch.setattr(one, "size", 1)


@contextlib.contextmanager
def half_sent(gateway: Server, lines: int, key: str = "") -> Iterator[None]:
    """Callers that announce more than they send, and wait."""
    head = f"POST /gateway/modelslab{TEXT2IMG} HTTP/1.1\r\nHost: x\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {LIMIT}\r\n"
    head += f"Authorization: Bearer {key}\r\n\r\n" if key else "\r\n"
    taken = room.callers if key else room.strangers
    with contextlib.ExitStack() as stack:
        for _ in range(lines):
            line = socket.create_connection(("127.0.0.1", gateway.port), timeout=25)
            stack.enter_context(line)
            line.sendall(head.encode() + b"{" + b" " * HALF_SENT)
        wait_until(lambda: taken.taken > lines * (HALF_SENT - ROOM_FREE))
        yield
    wait_until(lambda: taken.taken == 0)


def test_nobody_holds_more_than_is_left_free() -> None:
    there = Room(100)
    assert there.take("a", 50, 1)
    assert not there.take("a", 1, 1)
    assert there.take("b", 25, 1)
    assert not there.take("b", 1, 1)
    assert there.take("c", 12, 1)
    assert there.take("d", 6, 1)
    assert there.taken == 93
    for holder, held in {"a": 50, "b": 25, "c": 12, "d": 6}.items():
        there.give_back(holder, held)
    assert (there.taken, there._holders) == (0, {})


def test_the_largest_body_finds_room_when_there_is_no_other() -> None:
    there = Room(100)
    assert there.take("a", 500, 500)
    assert not there.take("a", 1, 500)


def test_a_network_without_keys_crowds_out_its_own_kind_and_no_known_key(
    gateway: Server, key: str, narrow: None, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    first, last = {"key": key, "prompt": LONG}, {"prompt": LONG, "key": key}
    with half_sent(gateway, 2):
        refused = gateway.post(TEXT2IMG, json=last)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert refused.headers["Retry-After"] == "1"
        elsewhere = {"X-Forwarded-For": "198.51.100.7"}
        assert gateway.post(TEXT2IMG, json=last, headers=elsewhere).status_code == 200
        assert gateway.post(TEXT2IMG, json=first).status_code == 200
        assert gateway.post(TEXT2IMG, json={"prompt": "x", "key": key}).status_code == 200
    assert gateway.post(TEXT2IMG, json=last).status_code == 200
    assert (room.strangers.taken, room.callers.taken) == (0, 0)


def test_a_known_key_crowds_out_itself_and_nobody_else(
    gateway: Server, application: Application, key: str, narrow: None
) -> None:
    other = AppKeyFactory(application=application).plaintext
    with half_sent(gateway, 2, key):
        for body, headers in (
            ({"prompt": LONG}, {"Authorization": f"Bearer {key}"}),
            ({"key": key, "prompt": LONG}, {}),
            ({"prompt": LONG, "key": key}, {}),
        ):
            refused = gateway.post(TEXT2IMG, json=body, headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
            assert refused.headers["Retry-After"] == "1"
            assert stored_call(refused).code == "unavailable"
        assert gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"}).status_code == 200
        assert gateway.post(TEXT2IMG, json={"key": other, "prompt": LONG}).status_code == 200
    assert gateway.post(TEXT2IMG, json={"key": key, "prompt": LONG}).status_code == 200


def test_a_body_is_held_until_the_answer_is_there(
    gateway: Server, provider: Upstream, key: str
) -> None:
    held = []

    def answer(received: Received) -> Answer:
        held.append((len(received.body) - ROOM_FREE, room.strangers.taken, room.callers.taken))
        return Answer(200, b"{}", {"Content-Type": "application/json"})

    provider.handler = answer
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/octet-stream"}
    for body in ({"key": key, "prompt": LONG}, {"prompt": LONG, "key": key}):
        assert gateway.post(TEXT2IMG, json=body).status_code == 200
    assert gateway.post(TEXT2IMG, data=LONG, headers=headers).status_code == 200
    for long, of_strangers, of_callers in held[:2]:
        assert of_strangers == 0
        assert abs(of_callers - long) < 100  # the real key has another length
    assert held[2][1:] == (0, 0)  # it is streamed past
    assert room.callers.taken == 0


def test_a_long_body_of_a_revoked_key_is_refused_by_its_beginning(
    gateway: Server, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "DRAIN_TIME", 0.1)
    revoked = AppKeyFactory(application=application, state=KeyState.REVOKED).plaintext
    head = f"POST /gateway/modelslab{TEXT2IMG} HTTP/1.1\r\nHost: x\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 5000000\r\n\r\n"
    begun = json.dumps({"key": revoked, "prompt": LONG})[:-2]
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=25) as line:
        with contextlib.suppress(ConnectionError):  # closed before the last of it was sent
            line.sendall(head.encode() + begun.encode())
        assert line.recv(65536).startswith(b"HTTP/1.1 401 ")
    assert room.strangers.taken == 0


def test_a_long_body_without_a_key_takes_its_networks_turn_before_it_is_read(
    gateway: Server, key: str
) -> None:
    bucket = desk.mine().throttle
    assert gateway.post(TEXT2IMG, json={"key": key}).status_code == 200
    assert gateway.post(TEXT2IMG, json={"prompt": LONG, "key": key}).status_code == 200
    assert bucket._left[HERE][0] >= 60  # it was no stranger's
    bucket._left[HERE] = (-OVERDRAFT, time.monotonic() + 3600)
    refused = gateway.post(TEXT2IMG, json={"prompt": LONG})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
    assert gateway.post(TEXT2IMG, json={"key": key, "prompt": LONG}).status_code == 200


def test_a_key_that_lies_across_two_pieces_is_found(key: str) -> None:
    shown = []
    body = b"x" * (ROOM_FREE + 10) + key.encode()
    pieces = [body[:-20], body[-20:-10], body[-10:], b"y"]

    async def receive() -> dict[str, object]:
        part = pieces.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(pieces)}

    async def look(piece: bytes) -> None:
        shown.append(piece)

    async def read() -> None:
        sent = Inbound(receive, "192.0.2.1")
        assert await sent.body(2**20, 0, look) == body + b"y"
        sent.let_go()

    asyncio.run(read())
    assert [key.encode() in piece for piece in shown] == [False, False, True, True]
    assert {len(piece) for piece in shown[1:]} == {74, 65}


@pytest.mark.parametrize("app_key", ["", "A1b2C3d4E5f6"], ids=["unknown", "known"])
def test_a_long_body_that_drips_is_cut_whoever_sends_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, app_key: str
) -> None:
    setattr(settings, "GATEWAY_TIMEOUT" if app_key else "GATEWAY_BODY_TIMEOUT", 0.2)
    # Of a stranger only the beginning gets the longer time.
    monkeypatch.setattr(inbound, "SLOWEST", 10**8 if app_key else 10**6)
    monkeypatch.setattr(inbound, "SLOWEST_LARGE", 10**8)
    pieces = [b"x" * 5_000_000] + [b"x"] * 150

    async def receive() -> dict[str, object]:
        if len(pieces) < 151:
            await asyncio.sleep(0.01)
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def look(piece: bytes) -> None:
        assert not app_key

    async def read() -> None:
        sent = Inbound(receive, "192.0.2.1")
        if app_key:
            sent.vouch(app_key)
        with pytest.raises(Denial) as refused:
            await sent.body(10**7, 0, look)
        assert refused.value.message == "The request body did not come in time"
        assert sent.late

    asyncio.run(read())
    assert (room.strangers.taken, room.callers.taken) == (0, 0)
