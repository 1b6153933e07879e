"""What a client sends arrives as it was sent, whatever client it is."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pytest_django import Settings

from keys.models import ProviderKey
from tests.gateway.conftest import REAL, TEXT2IMG
from tests.gateway.serving import Server
from tests.upstream import Answer, Upstream
from usage.gateway.headers import to_caller
from usage.gateway.links import Links

CHAT = "/gateway/modelslab/api/v7/llm/chat/completions"


def raw(gateway: Server, head: str, body: bytes = b"") -> bytes:
    """The whole answer to a request written by hand."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=25) as line:
        line.sendall(f"{head}\r\nHost: x\r\nConnection: close\r\n\r\n".encode() + body)
        return b"".join(iter(lambda: line.recv(65536), b""))


@pytest.mark.parametrize(
    "target",
    [
        "/api/v6/x/?",
        "/api/v6/x/?a=1&a=2&b=&&c&=d",
        "/api/v6/X%20y%C3%A9/?q=%7e~%2F/%3A:+%20%2b&z=%25&Z=%zz",
        "/api/v6/x;v=1,2/@me:run!$'()*?q=[a]{b}|^`\"\\<>",
        "/api/v6/x?next=https://a.example/?b=c",
    ],
)
def test_path_and_query_arrive_byte_for_byte(
    gateway: Server, provider: Upstream, key: str, target: str
) -> None:
    head = f"GET /gateway/modelslab{target} HTTP/1.1\r\nAuthorization: Bearer {key}"
    assert raw(gateway, head).startswith(b"HTTP/1.1 200 ")
    plain, _, query = target.partition("?")
    injected = f"key={quote(REAL, safe='')}"
    assert provider.requests[0].target == f"{plain}?{query}{'&' if query else ''}{injected}"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_method_passes_without_a_body_and_with_one(
    gateway: Server, provider: Upstream, key: str, method: str
) -> None:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for body in (b"", b'{"a": 1.10}'):
        response = gateway.session.request(
            method, gateway.url + CHAT, data=body, headers=headers, timeout=60
        )
        assert response.status_code == 200
        received = provider.requests[-1]
        assert (received.method, received.body) == (method, body)
        assert received.header("Authorization") == f"Bearer {REAL}"
        assert received.header("Transfer-Encoding") is None


def test_the_body_is_asked_for_only_once_its_sender_is_admitted(
    gateway: Server, provider: Upstream, key: str
) -> None:
    body = b'{"prompt": "x"}'
    for text, expected in ((key, b"HTTP/1.1 100 Continue"), ("nonsense", b"HTTP/1.1 401 ")):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=25) as line:
            line.sendall(
                f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {text}\r\n"
                f"Content-Type: audio/mpeg\r\nContent-Length: {len(body)}\r\n"
                "Expect: 100-continue\r\nConnection: close\r\n\r\n".encode()
            )
            answer = line.recv(65536)
            assert answer.startswith(expected)
            if text == key:
                line.sendall(body)
                answer = b"".join(iter(lambda line=line: line.recv(65536), b""))  # type: ignore[misc]
                assert answer.startswith(b"HTTP/1.1 200 ")
    (received,) = provider.requests
    assert (received.body, received.header("Expect")) == (body, None)


def test_an_upload_reaches_the_provider_before_its_end_is_sent(
    gateway: Server, provider: Upstream, key: str
) -> None:
    arrived = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.MonkeyPatch.context() as patch:
        port = listener.getsockname()[1]
        patch.setattr(
            "django.conf.settings.PROVIDER_URLS", {"modelslab": f"http://127.0.0.1:{port}"}
        )
        patch.setattr("django.conf.settings.OUTBOUND_ALLOW", [f"127.0.0.1:{port}"])

        def take() -> None:
            line, _ = listener.accept()
            with line:
                got = b""
                while b"first" not in got:
                    got += line.recv(65536)
                arrived.set()
                while b"last" not in got:
                    got += line.recv(65536)
                line.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        upstream = threading.Thread(target=take)
        upstream.start()

        def parts() -> Iterator[bytes]:
            yield b"first"
            assert arrived.wait(60)
            yield b"last"

        headers = {"Authorization": f"Bearer {key}", "Content-Type": "audio/mpeg"}
        response = gateway.post("/api/v7/llm/files", data=parts(), headers=headers)
        upstream.join(60)
    assert response.status_code == 204


def test_every_event_arrives_before_the_next_is_sent(
    gateway: Server, provider: Upstream, key: str
) -> None:
    seen = [threading.Event() for _ in range(5)]
    # The last ones end in what may be the key's beginning, which is all that may be held back.
    texts = [b"data: 1\n\n", b": ping\n\n", b"data: \xf0\x9f\xa6\x8a\r\n\r\n", b"data: rea\n\n"]
    texts.append(b"data: " + REAL.encode() + b"\n\n")

    def events() -> Iterator[bytes]:
        for text, before in zip(texts, seen, strict=True):
            yield text
            assert before.wait(60)

    provider.handler = lambda _: Answer(200, events(), {"Content-Type": "text/event-stream"})
    headers = {"Authorization": f"Bearer {key}"}
    response = gateway.session.post(
        gateway.url + CHAT, json={"stream": True}, headers=headers, stream=True, timeout=60
    )
    parts = response.iter_content(None)
    for text, before in zip(texts, seen, strict=True):
        assert next(parts) == text.replace(REAL.encode(), b"*" * len(REAL))
        before.set()
    assert list(parts) == []


def test_one_connection_carries_call_after_call(
    gateway: Server, provider: Upstream, key: str
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=25) as line:
        for body in (b'{"prompt": "x"}', b"", b'{"prompt": '):
            line.sendall(
                f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            answer = b""
            while not answer.endswith(b"}"):
                answer += line.recv(65536)
            assert answer.startswith(b"HTTP/1.1 400 " if b"prompt" in body[-10:-1] else b"HTTP")
    assert len(provider.requests) == 2
    assert len(provider._connections) == 1


def test_a_provider_may_have_a_limit_of_its_own(
    gateway: Server, provider: Upstream, provider_key: ProviderKey, key: str, settings: Settings
) -> None:
    settings.GATEWAY_BODY_LIMIT = 1000
    settings.GATEWAY_BODY_LIMITS = {"modelslab": 3000}
    sent = [
        gateway.post(TEXT2IMG, json={"key": key, "prompt": "x" * size}).status_code
        for size in (500, 2000, 4000)
    ]
    assert sent == [200, 200, 413]
    settings.GATEWAY_BODY_LIMITS = {"openai": 3000}
    assert gateway.post(TEXT2IMG, json={"key": key, "prompt": "x" * 2000}).status_code == 413


@pytest.mark.parametrize(
    "name",
    [
        "Mcp-Session-Id", "Retry-After-Ms", "X-Should-Retry", "Character-Cost", "History-Item-Id",
        "Idempotent-Replayed", "Request-Id", "OpenAI-Processing-Ms", "ETag", "Content-Range",
    ],
)  # fmt: skip
def test_a_header_that_clients_read_passes(name: str) -> None:
    assert to_caller([(name.encode(), b"7")], "openai", (), str) == [(name.lower().encode(), b"7")]


@pytest.mark.parametrize(
    ("written", "turned"),
    [
        ("https://modelslab.com/api/v6/images/fetch/9", "/api/v6/images/fetch/9"),
        ("https:\\/\\/modelslab.com\\/api\\/v6\\/fetch\\/9", "/api/v6/fetch/9"),
        ("https://modelslab.com/api/fetch/9?a=1\\u0026b=2", "/api/fetch/9?a=1&b=2"),
        ("https://modelslab.com", ""),
        ("https://modelslab.com/output/9.png", None),
        ("https://modelslab.com.evil.example/api", None),
        ("see https://modelslab.com/api", None),
    ],
)
def test_a_link_is_turned_however_its_json_is_escaped(written: str, turned: str | None) -> None:
    links = Links("modelslab", "https://modelslab.com", "http://keydeck.test/gateway")
    body = f'{{"a":"{written}","z":["x"]}}'
    found: dict[str, Any] = json.loads(links.in_json(body.encode()))
    whole = json.loads(body)["a"]
    expected = whole if turned is None else f"http://keydeck.test/gateway/modelslab{turned}"
    assert found == {"a": expected, "z": ["x"]}


@pytest.mark.parametrize(
    ("value", "turned"),
    [
        ("https://modelslab.com/api/9", "{}/api/9"),
        ("/api/9", "{}/api/9"),
        (
            '<https://modelslab.com/a?page=2>; rel="next", </a>; rel="first"',
            '<{0}/a?page=2>; rel="next", <{0}/a>; rel="first"',
        ),
        ("https://other.example/a", "https://other.example/a"),
        ("//other.example/a", "//other.example/a"),
    ],
)
def test_a_location_and_a_link_are_turned(value: str, turned: str) -> None:
    links = Links("modelslab", "https://modelslab.com", "http://keydeck.test/gateway")
    rewrite: Callable[[str], str] = links.in_header
    assert rewrite(value) == turned.format("http://keydeck.test/gateway/modelslab")
