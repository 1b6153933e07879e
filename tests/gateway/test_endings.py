"""How a call ended is recorded as it was, whoever ended it and whatever failed."""

import asyncio
import gzip
import json
import random
import socket
import threading
from concurrent.futures import Future

import pytest
import requests
from django.db import InterfaceError
from pytest_django import Settings

from keys import changes
from keys.models import AppKey, Application, DataKey
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call, wait_until
from tests.live import PATIENCE, SLACK
from tests.upstream import Answer, Upstream
from usage.gateway import desk, directory, lookup
from usage.gateway.directory import Directory
from usage.gateway.inbound import Gone, Inbound
from usage.models import Call


@pytest.mark.parametrize("last", [b"data: [DONE]\n\n", b'data: {"type": "message_stop"}\n\n'])
def test_a_stream_that_said_it_is_finished_is_ok_though_the_caller_closes_it(
    gateway: Server, provider: Upstream, key: str, last: bytes
) -> None:
    closed = threading.Event()

    def events() -> object:
        yield b'data: {"n": 1}\n\n'
        yield last
        closed.wait(60)
        for _ in range(100):
            yield b": ping\n\n"

    provider.handler = lambda _: Answer(200, events(), {"Content-Type": "text/event-stream"})
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"}, stream=True)
    seen = b""
    for part in response.iter_content(None):
        seen += part
        if last in seen:
            break
    response.close()
    call = stored_call(response)
    closed.set()
    assert call.outcome == "ok"


def test_an_answer_packed_in_another_way_is_the_providers_fault(
    gateway: Server, provider: Upstream, key: str
) -> None:
    provider.answer(200, b"\x0b\x02", headers={"Content-Encoding": "br"})
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"})
    assert response.status_code == 502
    call = stored_call(response)
    assert (call.outcome, call.code) == ("upstream_error", "unreadable_answer")


def test_an_answer_packed_in_several_members_comes_whole(
    gateway: Server, provider: Upstream, key: str
) -> None:
    packed = gzip.compress(b"one, ") + gzip.compress(b"two") + bytes(8)
    for body in (packed, (packed[at : at + 1] for at in range(len(packed)))):
        provider.answer(200, body, headers={"Content-Encoding": "gzip", "Content-Type": "x/y"})
        assert gateway.get("/api/v6/a", params={"key": key}).text == "one, two"


@pytest.mark.parametrize("media", ["application/json", "text/plain"])
def test_a_packed_answer_that_lacks_its_end_is_no_success(
    gateway: Server, provider: Upstream, key: str, media: str
) -> None:
    body = gzip.compress(b'{"a": "' + random.Random(1).randbytes(3000).hex().encode() + b'"}')[:-20]
    provider.answer(200, body, headers={"Content-Encoding": "gzip", "Content-Type": media})
    before = set(Call.objects.values_list("pk", flat=True))
    try:
        assert gateway.get("/api/v6/a", params={"key": key}).status_code == 502
    except requests.exceptions.ChunkedEncodingError:
        assert media == "text/plain"  # which was under way already
    call = wait_until(lambda: Call.objects.exclude(pk__in=before).first())
    assert (call.outcome, call.code) == ("upstream_error", "unreadable_answer")


@pytest.mark.parametrize("status", [101, 600, 999])
def test_a_status_that_is_no_answer_is_the_providers_fault(
    gateway: Server, provider: Upstream, key: str, status: int
) -> None:
    provider.answer(status, {"odd": True})
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"})
    assert response.status_code == 502
    call = stored_call(response)
    assert (call.outcome, call.code) == ("upstream_error", "unreadable_answer")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_a_length_beside_an_answer_without_a_body_is_no_fault(
    gateway: Server,
    provider: Upstream,
    key: str,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    status: bytes,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        settings.PROVIDER_URLS = {"modelslab": f"http://{host}"}
        settings.OUTBOUND_ALLOW = (host,)

        def serve() -> None:
            with server.accept()[0] as line:
                line.recv(65536)
                line.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 6\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        changes.bump()
        response = gateway.get("/api/v6/a", params={"key": key})
        thread.join()
    assert (response.status_code, response.content) == (int(status[:3]), b"")
    assert stored_call(response).outcome == "ok"
    assert caplog.messages == []


def test_a_fault_of_ours_behind_the_providers_answer_is_no_denial(
    gateway: Server, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("usage.gateway.relay.core.judge", fault)
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"})
    call = stored_call(response)
    assert (call.outcome, call.code, call.status) == ("aborted", "unavailable", 503)


def test_a_streamed_body_has_a_limit_too(
    gateway: Server, provider: Upstream, key: str, settings: Settings
) -> None:
    settings.GATEWAY_UPLOAD_LIMIT = 100_000
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/octet-stream"}
    announced = gateway.post("/upload", data=b"x" * 200_000, headers=headers)
    assert (announced.status_code, announced.json()["error"]["code"]) == (413, "body_too_large")
    assert stored_call(announced).outcome == "denied"
    assert provider.requests == []
    response = gateway.post("/upload", data=iter([b"x" * 60_000] * 4), headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
    call = stored_call(response)
    assert (call.outcome, call.code) == ("aborted", "body_too_large")
    assert gateway.post("/upload", data=iter([b"x"] * 9), headers=headers).status_code == 200


def test_a_database_that_hangs_costs_a_bounded_wait(
    gateway: Server, application: Application, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    monkeypatch.setattr(lookup, "WAIT", 0.3)
    desk.mine().directory.run(lambda: go.wait(60))
    new = AppKeyFactory(application=application).plaintext
    response = gateway.post(TEXT2IMG, json={"key": new, "prompt": "x"})
    go.set()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")


def test_who_hangs_up_while_the_database_hangs_is_let_go(
    gateway: Server, key: str, app_key: AppKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"}).status_code == 200
    go, asked = threading.Event(), threading.Event()
    here = desk.mine().directory
    load = here.pools.load

    def hang(name: tuple[str, str]) -> object:
        asked.set()
        go.wait(60)
        return load(name)

    here.pools.load = hang  # type: ignore[assignment]
    monkeypatch.setattr(lookup, "WAIT", 20)
    changes.bump()
    wait_until(lambda: here._counter == changes.current())
    body = json.dumps({"prompt": "x"}).encode()
    with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
        raw.sendall(
            f"POST /gateway/modelslab{TEXT2IMG} HTTP/1.1\r\nHost: x\r\nx-api-key: {key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert asked.wait(60)
    wait_until(lambda: Call.objects.filter(app_key=app_key.id, outcome="aborted").exists())
    go.set()


def test_who_hangs_up_as_the_lookup_ends_is_noticed() -> None:
    found: Future[str] = Future()

    async def look() -> None:
        asked = asyncio.create_task(lookup._answer(found))
        await asyncio.sleep(0)
        found.set_result("spec")
        await asyncio.sleep(0)  # the answer is on its way into the loop
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(look())


def test_nobody_waits_for_a_body_whose_sender_is_gone() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def look(piece: bytes) -> None:
        raise AssertionError(piece)

    async def read() -> None:
        sent = Inbound(receive)
        sent.watch()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(PATIENCE)
        with pytest.raises(Gone):
            await asyncio.wait_for(sent.body(100, 0, look), PATIENCE)

    asyncio.run(read())


def test_a_data_key_dropped_elsewhere_opens_nothing_within_a_second(
    gateway: Server, key: str, application: Application
) -> None:
    def status() -> int:
        return gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"}).status_code

    assert status() == 200
    # Without signals, as if another process had done it.
    DataKey.objects.filter(application=application)._raw_delete("default")  # type: ignore[attr-defined]
    changes.bump()
    wait_until(lambda: status() == 503, SLACK)


def test_the_directory_outlives_whatever_the_database_raises(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> int:
        raise InterfaceError("the connection is closed")

    found = Directory()
    try:
        found.start()
        wait_until(lambda: found.fresh)
        with monkeypatch.context() as away:
            away.setattr(changes, "current", broken)
            wait_until(lambda: not found.fresh)
        wait_until(lambda: found.fresh)
        assert found._thread is not None
        first = found._thread
        found._jobs.put(None)
        first.join(60)
        assert found.run(lambda: 7).result(PATIENCE) == 7
    finally:
        found.stop()


def test_the_directory_keeps_one_connection(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Directory()
    connections = []
    current = changes.current

    def counted() -> int:
        value = current()
        connections.append(directory.connection.connection)
        return value

    monkeypatch.setattr(changes, "current", counted)
    try:
        found.start()
        wait_until(lambda: len(connections) >= 3)
    finally:
        found.stop()
    assert len(set(map(id, connections))) == 1
