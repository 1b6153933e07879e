"""A body that drips in is not waited for, nor is its connection kept."""

import json
import socket
import threading
from typing import Any

import pytest
from pytest_django import Settings

from keys.providers import jsonbody
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call
from tests.live import PATIENCE
from tests.upstream import Answer, Upstream


def half_sent(gateway: Server, *headers: str, body: bytes = b"") -> dict[str, str]:
    """What a caller is answered who announces more than it sends, once the line is closed."""
    lines = (f"POST /gateway/modelslab{TEXT2IMG} HTTP/1.1", "Host: x", *headers)
    # Less than the patience that the product has by itself, with strangers and with keys.
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=25) as line:
        line.sendall("\r\n".join([*lines, "Content-Length: 5000", "", ""]).encode() + body)
        head, _, answer = b"".join(iter(lambda: line.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    found: dict[str, str] = json.loads(answer)
    return found


@pytest.mark.parametrize("body", [b"", b'{"key": "'])
def test_a_body_that_should_name_the_key_has_to_come_in_time(
    gateway: Server, provider: Upstream, settings: Settings, body: bytes
) -> None:
    settings.GATEWAY_BODY_TIMEOUT = 0.2
    answer = half_sent(gateway, "Content-Type: application/json", body=body)
    assert answer["message"] == "The request body did not come in time"
    assert provider.requests == []


@pytest.mark.parametrize("media", ["application/json", "audio/mpeg"])
def test_a_body_of_a_known_key_may_not_stand_still(
    gateway: Server, key: str, settings: Settings, media: str
) -> None:
    settings.GATEWAY_BODY_TIMEOUT = 0.0  # is for strangers
    settings.GATEWAY_TIMEOUT = 0.5
    sent = (f"Content-Type: {media}", f"Authorization: Bearer {key}")
    answer = half_sent(gateway, *sent, body=b"{")
    assert answer["message"] == "The request body did not come in time"
    assert stored_call(answer["request_id"]).code == "bad_request"


def test_a_large_body_gets_the_time_it_needs(gateway: Server, key: str, settings: Settings) -> None:
    settings.GATEWAY_BODY_TIMEOUT = PATIENCE
    body = json.dumps({"key": key, "prompt": "x" * 500_000}).encode()
    pieces = (body[start : start + 50_000] for start in range(0, len(body), 50_000))
    answer = gateway.post(TEXT2IMG, data=pieces, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_an_unknown_callers_body_may_not_stand_still_whatever_came_of_it(
    gateway: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GATEWAY_BODY_TIMEOUT = 0.3
    monkeypatch.setattr("usage.gateway.inbound.SLOWEST", 1)  # so far it came fast enough
    answer = half_sent(gateway, "Content-Type: application/json", body=b'{"a": "' + b"x" * 3000)
    assert answer["message"] == "The request body did not come in time"


def test_a_large_body_is_read_beside_other_calls(
    gateway: Server, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set()
    parse = jsonbody.parse

    def noted(body: bytes) -> Any:
        names.add(threading.current_thread().name.partition("_")[0])
        return parse(body)

    monkeypatch.setattr(jsonbody, "parse", noted)
    body = {"key": key, "prompt": "x" * 1_100_000}
    assert gateway.post(TEXT2IMG, json=body).status_code == 200
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    refused = gateway.post(TEXT2IMG, data=json.dumps(body)[:-1], headers=headers)
    assert (refused.status_code, stored_call(refused).code) == (400, "bad_request")
    assert names == {"bodies"}


def test_no_call_waits_for_others_to_end(gateway: Server, provider: Upstream, key: str) -> None:
    """More calls at once than a client library opens connections for by itself."""
    held = threading.Event()
    provider.handler = lambda _: Answer(200, b"{}", wait_for=held)
    body = json.dumps({"key": key}).encode()
    head = f"POST /gateway/modelslab{TEXT2IMG} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
    request = head.encode() + b"\r\nContent-Type: application/json\r\n\r\n" + body
    lines = [socket.create_connection(("127.0.0.1", gateway.port), 25) for _ in range(120)]
    try:
        for line in lines:
            line.sendall(request)
        provider.wait_for_requests(len(lines))
    finally:
        held.set()
        for line in lines:
            line.recv(12)
            line.close()
