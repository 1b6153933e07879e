"""Plain HTTP libraries of Python through the gateway: another address, another key, no more."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import requests

from tests.gateway.conftest import REAL, TEXT2IMG
from tests.gateway.serving import Server, wait_until
from tests.upstream import Answer, Upstream
from usage.models import Call

CHAT = "/api/v7/llm/chat/completions"
Response = requests.Response | httpx.Response


class Requests:
    timeout = requests.ReadTimeout
    refused = requests.HTTPError

    def post(self, url: str, **options: Any) -> Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(url, **options)

    def stream(self, url: str, seen: Callable[[], None], **options: Any) -> list[bytes]:
        with requests.Session() as session:
            session.trust_env = False
            with session.post(url, stream=True, **options) as response:
                return [part for part in response.iter_content(None) if not seen()]


class Httpx:
    timeout = httpx.ReadTimeout
    refused = httpx.HTTPStatusError

    def post(self, url: str, **options: Any) -> Response:
        with httpx.Client(trust_env=False) as client:
            return client.post(url, **options)

    def stream(self, url: str, seen: Callable[[], None], **options: Any) -> list[bytes]:
        with (
            httpx.Client(trust_env=False) as client,
            client.stream("POST", url, **options) as response,
        ):
            return [part for part in response.iter_bytes() if not seen()]


class AsyncHttpx(Httpx):
    def post(self, url: str, **options: Any) -> Response:
        async def call() -> Response:
            async with httpx.AsyncClient(trust_env=False) as client:
                return await client.post(url, **options)

        return asyncio.run(call())

    def stream(self, url: str, seen: Callable[[], None], **options: Any) -> list[bytes]:
        async def call() -> list[bytes]:
            async with (
                httpx.AsyncClient(trust_env=False) as client,
                client.stream("POST", url, **options) as response,
            ):
                return [part async for part in response.aiter_bytes() if not seen()]

        return asyncio.run(call())


Client = Requests | Httpx | AsyncHttpx
every_client = pytest.mark.parametrize(
    "client", [Requests(), Httpx(), AsyncHttpx()], ids=["requests", "httpx", "async httpx"]
)


@pytest.fixture
def base(gateway: Server) -> str:
    return f"{gateway.url}/gateway/modelslab"


@every_client
def test_a_key_in_json_a_form_or_basic_is_taken(
    base: str, provider: Upstream, key: str, client: Client
) -> None:
    url = base + TEXT2IMG
    sent: list[dict[str, Any]] = [
        {"json": {"key": key, "prompt": "é"}},
        {"data": {"key": key, "prompt": "é"}},
        {"json": {"prompt": "é"}, "auth": (key, "")},
        {"json": {"prompt": "é"}, "auth": ("anyone", key)},
        {"json": {"prompt": "é"}, "params": {"key": key}},
    ]
    for options in sent:
        response = client.post(url, **options)
        assert (response.status_code, response.json()["status"]) == (200, "success")
        received = provider.requests[-1]
        arrived = received.body + received.target.encode()
        assert arrived.count(REAL.encode()) == 1
        assert received.header("Authorization") is None
        assert key not in str(received)


@every_client
def test_a_stream_comes_piece_by_piece(
    base: str, provider: Upstream, key: str, client: Client
) -> None:
    seen = threading.Event()

    def events() -> Iterator[bytes]:
        yield b"data: 1\n\n"
        assert seen.wait(60)
        yield b"data: [DONE]\n\n"

    provider.handler = lambda _: Answer(200, events(), {"Content-Type": "text/event-stream"})
    headers = {"Authorization": f"Bearer {key}"}
    parts = client.stream(base + CHAT, seen.set, json={"stream": True}, headers=headers)
    assert parts == [b"data: 1\n\n", b"data: [DONE]\n\n"]


@every_client
def test_a_file_goes_up_with_the_key_among_its_fields(
    base: str, provider: Upstream, key: str, client: Client
) -> None:
    image = bytes(range(256)) * 500
    response = client.post(
        base + "/api/v6/realtime/upload",
        data={"key": key, "name": "a b"},
        files={"file": (f"{key}.png", image, "image/png")},
    )
    assert response.status_code == 200
    (received,) = provider.requests
    assert image in received.body
    assert received.body.count(REAL.encode()) == 1
    assert key.encode() not in received.body


@every_client
def test_a_client_that_gives_up_says_so_and_is_recorded(
    base: str, provider: Upstream, key: str, client: Client
) -> None:
    client.post(base + TEXT2IMG, json={"key": key})  # so that the next one is under way at once
    provider.answer(200, wait_for=provider._closing)
    while len(provider.requests) < 2:  # whoever gave up sooner, on a slow machine, asked nobody
        with pytest.raises(client.timeout):
            client.post(base + TEXT2IMG, json={"key": key}, timeout=1)
    wait_until(lambda: Call.objects.filter(outcome="aborted").exists())


@every_client
def test_a_refusal_raises_whoever_refuses(
    base: str, provider: Upstream, key: str, client: Client
) -> None:
    provider.answer(402, {"status": "error", "message": "Insufficient credits."})
    for text, status in ((key, 402), ("nonsense", 401)):
        response = client.post(base + TEXT2IMG, json={"key": text})
        with pytest.raises(client.refused, match=str(status)):
            response.raise_for_status()
        assert response.json()["status"] == "error"
