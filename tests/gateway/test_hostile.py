"""What a hostile caller or provider can't get past the gateway by headers and encodings."""

import contextlib
import gzip
import json
import socket
import threading
import time

import pytest
from pytest_django import Settings

from tests.gateway.conftest import REAL, TEXT2IMG
from tests.gateway.serving import Server
from tests.upstream import Answer, Upstream
from usage.gateway import headers
from usage.gateway.answer import BadEncoding, Unpacker


@pytest.mark.parametrize(
    "name",
    [
        "X-Original-URL",
        "X-Original-Method",
        "X-Rewrite-URL",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-Forwarded",
        "X-Forwarded-Host",
        "X-Forwarded-Prefix",
        "X-Host",
        "X-Real-IP",
        "X_Original_URL",
        "X_Forwarded_For",
        "Content_Length",
        "True-Client-IP",
        "HTTP-X-Method-Override",
        "Http_X_HTTP_Method_Override",
        "X-WAWS-Unencoded-URL",
        "X-MS-Original-URL",
        "X-Middleware-Rewrite",
    ],
)
def test_a_header_that_overrides_the_request_is_not_sent_on(name: str) -> None:
    assert headers.to_provider([(name, "/v1/admin"), ("X-Note", "kept")]) == [("x-note", "kept")]


@pytest.mark.parametrize("name", ["x-" + REAL, "X-" + REAL.upper() + "-x", "x-request-id-" + REAL])
def test_a_header_named_after_the_key_is_dropped(name: str) -> None:
    given = [(name.encode(), b"1"), (b"X-Kept", b"2")]
    assert headers.to_caller(given, "modelslab", (REAL,), str) == [(b"x-kept", b"2")]


@pytest.mark.parametrize(
    "name",
    [
        "Set-Cookie",
        "Content-Encoding",
        "Content-Length",
        "Access-Control-Allow-Origin",
        "Clear-Site-Data",
        "Strict-Transport-Security",
        "Transfer-Encoding",
        "Service-Worker-Allowed",
        "X-Accel-Redirect",
        "X-Frame-Options",
        "X-Lighttpd-Send-File",
        "X-LiteSpeed-Location",
        "X-Reproxy-URL",
    ],
)
def test_a_providers_name_lets_no_header_through_that_is_acted_upon(name: str) -> None:
    slug = name.lower().partition("-")[0]
    assert headers.to_caller([(name.encode(), b"1")], slug, (), str) == []
    given = [(b"Replicate-Cost", b"1"), (b"Content-Type", b"x/y")]
    assert len(headers.to_caller(given, "replicate", (), str)) == 2


@pytest.mark.parametrize(
    ("sent", "came"), [("café".encode(), "café".encode()), (b"caf\xe9", "café".encode())]
)
def test_a_header_beyond_ascii_is_sent_on_as_utf_8(
    gateway: Server, provider: Upstream, key: str, sent: bytes, came: bytes
) -> None:
    gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"}, headers={"X-Title": sent})
    assert (provider.requests[0].header("X-Title") or "").encode("latin-1") == came


@pytest.mark.parametrize(
    "media", ["text/javascript", "Application/X-JavaScript; charset=utf-8", "text/css"]
)
def test_scripts_and_style_sheets_come_as_plain_text(media: str) -> None:
    given = [(b"Content-Type", media.encode())]
    ((_, told),) = headers.to_caller(given, "modelslab", (), str)
    assert told == b"text/plain" + b"".join(media.encode().partition(b";")[1:])
    kept = [(b"content-type", b"application/json; charset=utf-8")]
    assert headers.to_caller(kept, "modelslab", (), str) == kept


def test_a_type_without_end_is_walked_over_once() -> None:
    start = time.process_time()
    given = [(b"content-type", b"a" * 60_000)]
    assert headers.to_caller(given, "modelslab", (), str) == given
    assert time.process_time() - start < 2  # once for each of its bytes: minutes


def test_the_real_key_spelled_with_json_escapes_is_masked(
    gateway: Server, provider: Upstream, key: str
) -> None:
    spelled = "".join(f"\\u{ord(char):04x}" for char in REAL)
    body = f'{{"status": "success", "echo": "{spelled}"}}'
    provider.answer(200, body, headers={"Content-Type": "application/json"})
    answer = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"})
    assert answer.json() == {"status": "success", "echo": "*" * len(REAL)}


def test_an_answer_packed_behind_a_second_header_is_refused(
    gateway: Server, provider: Upstream, key: str
) -> None:
    packed = gzip.compress(f'{{"key": "{REAL}"}}'.encode())
    # The stand-in's headers are a dict: two spellings of a name make two headers.
    sent = {"Content-Encoding": "identity", "content-encoding": "gzip"}
    provider.handler = lambda _: Answer(200, packed, sent | {"Content-Type": "application/json"})
    answer = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")


@pytest.mark.parametrize("encodings", ["br", "gzip,gzip", "identity,gzip", "gzip, identity", "x"])
def test_only_one_known_encoding_is_undone(encodings: str) -> None:
    with pytest.raises(BadEncoding):
        Unpacker(encodings)
    assert not Unpacker(" Identity ").packed
    assert Unpacker("GZip").packed


def raw_status(gateway: Server, request: str) -> tuple[int, str]:
    """Status and error code of a request that no client library would send."""
    with socket.create_connection(("127.0.0.1", gateway.port)) as line:
        line.sendall(f"{request}Host: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: line.recv(65536), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["code"]


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "PURGE"])
def test_a_method_that_is_none_of_an_api_is_refused(
    gateway: Server, provider: Upstream, key: str, method: str
) -> None:
    asked = f"{method} /gateway/modelslab/api/v7/models?key={key} HTTP/1.1\r\n"
    assert raw_status(gateway, asked) == (400, "bad_request")
    assert provider.requests == []


@pytest.mark.parametrize("kind", ["script", "serviceworker", "style", "iframe", "document"])
def test_a_page_of_the_same_origin_cannot_load_an_answer(
    gateway: Server, provider: Upstream, key: str, kind: str
) -> None:
    sent = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": kind}
    answer = gateway.get("/api/v7/models", params={"key": key}, headers=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert provider.requests == []


@pytest.mark.parametrize(
    ("site", "kind"), [("same-origin", "empty"), ("cross-site", "image"), ("none", "document")]
)
def test_code_may_fetch_and_other_sites_are_the_browsers_to_guard(
    gateway: Server, key: str, site: str, kind: str
) -> None:
    sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": kind}
    answer = gateway.get("/api/v7/models", params={"key": key}, headers=sent)
    assert answer.status_code == 200
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def conversation(gateway: Server, *pieces: bytes) -> bytes:
    """What a caller is answered who sends one piece after the other, until the line is closed."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=25) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
            return b"".join(iter(lambda: line.recv(65536), b""))
        except (ConnectionResetError, BrokenPipeError):
            return b"closed"


ENDLESS = [b"a" * 65_536] * 400  # 25 MB
TARGET = b"/gateway/modelslab" + TEXT2IMG.encode()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET " + TARGET + b"?q=", *ENDLESS],
        [b"GET " + TARGET + b" HTTP/1.1\r\nHost: x\r\nX-A: ", *ENDLESS],
        [b"GET " + TARGET + b" HTTP/1.1\r\nHost: x\r\n", *[b"X-A: b\r\n" * 8000] * 400],
        [
            b"POST " + TARGET + b" HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-A: ",
            *ENDLESS,
        ],
    ],
    ids=["target", "value", "headers", "trailer"],
)
def test_what_stands_around_a_body_has_an_end(gateway: Server, pieces: list[bytes]) -> None:
    answer = conversation(gateway, *pieces)
    assert answer in (b"", b"closed") or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert gateway.get(TEXT2IMG).status_code == 401  # others are served


def test_a_long_head_and_a_long_body_pass(gateway: Server, provider: Upstream, key: str) -> None:
    body = json.dumps({"key": key, "prompt": "x" * 1_000_000}).encode()
    long = b"y" * 30_000
    head = b"POST " + TARGET + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"Connection: close\r\nContent-Length: %d\r\nX-A: " % len(body)
    answer = conversation(gateway, head, long, b"\r\n\r\n", body)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert provider.requests[0].header("X-A") == long.decode()


def test_a_trailer_is_no_header(gateway: Server, provider: Upstream, key: str) -> None:
    body = json.dumps({"prompt": "x"}).encode()
    credential = b"Authorization: Bearer " + key.encode() + b"\r\n"
    head = b"POST " + TARGET + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    request = head + b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, credential)
    assert conversation(gateway, request).startswith(b"HTTP/1.1 401 ")
    assert provider.requests == []


@pytest.mark.parametrize(("interim", "status"), [(3, 200), (1_000_000, 502)])
def test_interim_answers_have_an_end(
    gateway: Server, key: str, settings: Settings, interim: int, status: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            with line, contextlib.suppress(OSError):
                line.recv(65536)
                for _ in range(0, interim, 1000):
                    line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * min(interim, 1000))
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=serve)
        thread.start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        settings.PROVIDER_URLS = {"modelslab": f"http://{host}"}
        settings.OUTBOUND_ALLOW = [host]
        response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"})
        thread.join(60)
    assert response.status_code == status


def test_a_basic_authorization_that_is_no_text_is_no_key(
    gateway: Server, provider: Upstream
) -> None:
    answer = gateway.get("/v1/models", headers={"Authorization": b"Basic \xff"})
    assert answer.status_code == 401
