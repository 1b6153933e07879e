"""What Keydeck refuses itself: status, code, body and record of each."""

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone
from pytest_django import Settings

from keys import tokens, vault
from keys.models import AppKey, Application, ProviderKey
from keys.states import KeyState, Verdict
from tests.factories import AppKeyFactory
from tests.gateway.conftest import REAL, TEXT2IMG
from tests.gateway.serving import Server, stored_call, wait_until
from tests.live import free_port
from tests.upstream import Upstream
from usage.gateway import core, errors
from usage.gateway.records import AppKeyRecord
from usage.limits.windows import Limits
from usage.models import Call, StrangerCount


def assert_refused(response: requests.Response, status: int, code: str, message: str = "") -> None:
    body = response.json()
    assert (response.status_code, body["error"]["code"]) == (status, code)
    assert body["status"] == "error"
    assert body["message"] == body["error"]["message"] != ""
    assert body["request_id"] == response.headers["X-Request-Id"]
    assert response.headers["Content-Security-Policy"] == "sandbox"
    if message:
        assert body["message"] == message


def ask(gateway: Server, key: str, path: str = TEXT2IMG, **options: Any) -> requests.Response:
    return gateway.post(path, json={"key": key, "prompt": "x"}, **options)


def test_a_missing_key_is_asked_for(gateway: Server, provider: Upstream) -> None:
    response = gateway.post(TEXT2IMG, json={"prompt": "x"})
    assert_refused(response, 401, "key_required", "API key required")
    assert_refused(gateway.get("/api/v7/models"), 401, "key_required", "API key required")
    assert provider.requests == []


def test_unknown_revoked_and_expired_keys_read_alike(
    gateway: Server, application: Application, provider: Upstream
) -> None:
    revoked = AppKeyFactory(application=application, state=KeyState.REVOKED)
    past = timezone.now() - timedelta(seconds=1)
    expired = AppKeyFactory(application=application, expires_at=past)
    bodies = []
    for text in (
        "sk-something-else",
        tokens.new_app_key("live", "A1b2C3d4E5f6"),
        revoked.plaintext,
        expired.plaintext,
    ):
        response = ask(gateway, text)
        assert_refused(response, 401, "invalid_key", "Invalid API key")
        bodies.append(response.json() | {"request_id": ""})
    assert all(body == bodies[0] for body in bodies)
    assert provider.requests == []
    wait_until(lambda: Call.objects.count() == 2)
    assert {(call.app_key, call.outcome, call.code) for call in Call.objects.all()} == {
        (revoked.id, "denied", "key_revoked"),
        (expired.id, "denied", "key_expired"),
    }
    assert all("python-requests" in call.user_agent for call in Call.objects.all())


def test_a_key_whose_hash_was_written_into_another_keys_row_opens_nothing(
    gateway: Server, application: Application, provider: Upstream, provider_key: ProviderKey
) -> None:
    mine = AppKeyFactory()  # of another application, whose provider key it must not use
    theirs = AppKeyFactory(application=application)
    mine.versions.all().delete()
    theirs.versions.update(lookup=vault.lookup_hash(mine.plaintext))
    assert_refused(ask(gateway, mine.plaintext), 401, "invalid_key", "Invalid API key")
    assert provider.requests == []


def test_strangers_are_counted_and_not_recorded(gateway: Server) -> None:
    for _ in range(3):
        ask(gateway, "nonsense")
    gateway.get("/api/v7/models")
    wait_until(lambda: StrangerCount.objects.count() == 2)
    counts = dict(StrangerCount.objects.values_list("code", "requests"))
    assert counts == {"invalid_key": 3, "key_required": 1}
    assert Call.objects.count() == 0


def test_a_disabled_key_is_refused_by_name(gateway: Server, application: Application) -> None:
    disabled = AppKeyFactory(application=application, state=KeyState.DISABLED)
    response = ask(gateway, disabled.plaintext)
    assert_refused(response, 403, "key_disabled")
    assert stored_call(response).code == "key_disabled"


def test_an_overlap_ends_by_the_clock_before_anybody_retires_the_version() -> None:
    record = AppKeyRecord(
        "id", 1, "shop", KeyState.ACTIVE, None, False, 100.0, None, None, (), None, None, Limits()
    )
    core.authenticate(record, 99.9)
    with pytest.raises(errors.Denial) as refused:
        core.authenticate(record, 100.0)
    assert refused.value.reason == "key_rotated"


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ({"providers": ["openai"]}, "provider_not_allowed"),
        ({"endpoints": ["/api/v6/video/*"]}, "endpoint_not_allowed"),
        ({"ips": ["10.0.0.0/8"]}, "ip_not_allowed"),
    ],
)
def test_a_keys_policy_is_enforced_and_recorded(
    gateway: Server, application: Application, policy: dict[str, Any], code: str
) -> None:
    key = AppKeyFactory(application=application, **policy)
    response = ask(gateway, key.plaintext)
    assert_refused(response, 403, code)
    call = stored_call(response)
    assert (call.outcome, call.code, call.status, call.app_key) == ("denied", code, 403, key.id)


def test_a_policy_that_names_the_call_lets_it_through(
    gateway: Server, application: Application
) -> None:
    key = AppKeyFactory(
        application=application,
        providers=["modelslab"],
        endpoints=["/api/v6/images/*"],
        ips=["127.0.0.0/8"],
    )
    assert ask(gateway, key.plaintext).status_code == 200


def test_a_method_the_key_may_not_use_is_refused_by_name(
    gateway: Server, application: Application, provider: Upstream, provider_key: ProviderKey
) -> None:
    key = AppKeyFactory(application=application, methods=["POST"])
    assert ask(gateway, key.plaintext).status_code == 200
    refused = gateway.get("/api/v7/models", headers={"Authorization": f"Bearer {key.plaintext}"})
    assert_refused(refused, 403, "endpoint_not_allowed", "This app key may not use GET")
    assert len(provider.requests) == 1
    assert stored_call(refused).outcome == "denied"


def test_an_owner_opens_a_dangerous_endpoint_to_one_key(
    gateway: Server, application: Application, provider: Upstream, provider_key: ProviderKey
) -> None:
    key = AppKeyFactory(application=application, dangerous_endpoints=["/api/v3/delete_image"])
    assert ask(gateway, key.plaintext, "/api/v3/delete_image").status_code == 200
    for path in ("/api/v3/buy_subscription", "/api/v3/Delete_image", "/api/v3/delete_image;x=1"):
        assert_refused(ask(gateway, key.plaintext, path), 403, "endpoint_not_allowed")


def test_a_dangerous_endpoint_is_refused(gateway: Server, provider: Upstream, key: str) -> None:
    response = ask(gateway, key, "/api/v3/buy_subscription")
    assert_refused(response, 403, "endpoint_not_allowed")
    assert provider.requests == []


def test_a_forwarded_address_is_believed_of_a_trusted_proxy_only(
    gateway: Server, application: Application, settings: Settings
) -> None:
    key = AppKeyFactory(application=application, ips=["203.0.113.0/24"])
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    assert_refused(ask(gateway, key.plaintext, headers=forwarded), 403, "ip_not_allowed")
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    response = ask(gateway, key.plaintext, headers=forwarded)
    assert response.status_code == 200
    assert stored_call(response).address == "203.0.113.7"


def test_an_unknown_provider_is_not_found(gateway: Server, key: str) -> None:
    response = gateway.post("/v1/x", provider="nobody", json={"key": key})
    assert_refused(response, 404, "unknown_provider")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/gateway/nowhere/v1/models", "unknown_provider"),
        ("/gateway/modelslab/api//v7", "bad_request"),
        ("/gateway/", "bad_request"),
    ],
)
@pytest.mark.parametrize("place", ["bearer", "header", "query"])
def test_a_call_of_a_known_key_counts_whatever_it_asks_for(
    gateway: Server, app_key: AppKey, key: str, path: str, code: str, place: str
) -> None:
    headers = {
        "bearer": {"Authorization": f"Bearer {key}"},
        "header": {"x-api-key": key},
        "query": {},
    }[place]
    query = f"?key={key}" if place == "query" else ""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=25) as line:
        said = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        said += "Connection: close\r\n"
        line.sendall(f"GET {path}{query} HTTP/1.1\r\nHost: x\r\n{said}\r\n".encode())
        assert f'"code":"{code}"'.encode() in b"".join(iter(lambda: line.recv(65536), b""))

    wait_until(lambda: Call.objects.exists())
    call = Call.objects.get()
    assert (call.app_key, call.outcome, call.code) == (app_key.pk, "denied", code)
    assert (call.provider, call.endpoint) == ("", "")


def test_a_call_of_an_unknown_key_for_an_unknown_provider_is_nobodys(gateway: Server) -> None:
    text = tokens.new_app_key("live", "A1b2C3d4E5f6")
    response = requests.get(
        f"{gateway.url}/gateway/nowhere/x", headers={"x-api-key": text}, timeout=10
    )

    assert_refused(response, 404, "unknown_provider")
    assert not Call.objects.exists()


def test_malformed_json_is_a_bad_request(gateway: Server, key: str) -> None:
    json_type = {"Content-Type": "application/json"}
    for body in (b'{"key": "x"', b"{'key': 1}", f'{{"key": "{key}", "key": "{key}"}}'.encode()):
        assert_refused(gateway.post(TEXT2IMG, data=body, headers=json_type), 400, "bad_request")


def test_two_different_app_keys_are_a_bad_request(
    gateway: Server, application: Application, provider: Upstream, key: str
) -> None:
    other = AppKeyFactory(application=application)
    headers = {"Authorization": f"Bearer {other.plaintext}"}
    assert_refused(ask(gateway, key, headers=headers), 400, "bad_request")
    assert provider.requests == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/%2e%2e/secret",
        "/api//v6/images",
        "/api/%2Fv6",
        "/api/v6%5cimages",
        "/api/%00",
        "/api/%252e%252e/x",
        "/api/./v6",
        "/api/../v6",
        "/api/%zz",
        "/api\\v6",
    ],
)
def test_an_ambiguous_path_is_a_bad_request(
    gateway: Server, provider: Upstream, key: str, path: str
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
        request = f"GET /gateway/modelslab{path}?key={key} HTTP/1.1\r\nHost: x\r\n"
        raw.sendall(f"{request}Connection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "bad_request"
    assert provider.requests == []


def test_a_huge_body_is_refused(
    gateway: Server, provider: Upstream, key: str, settings: Settings
) -> None:
    settings.GATEWAY_BODY_LIMIT = 100_000
    body = {"key": key, "init_image": "x" * 200_000}
    assert_refused(gateway.post(TEXT2IMG, json=body), 413, "body_too_large")
    chunked = iter([json.dumps(body).encode()])
    headers = {"Content-Type": "application/json"}
    assert_refused(gateway.post(TEXT2IMG, data=chunked, headers=headers), 413, "body_too_large")
    named = {"Authorization": f"Bearer {key}"}
    response = gateway.post(TEXT2IMG, json=body, headers=named)
    assert stored_call(response).code == "body_too_large"
    assert provider.requests == []


def test_an_empty_body_is_asked_for_its_key(gateway: Server) -> None:
    headers = {"Content-Type": "application/json"}
    assert_refused(gateway.post(TEXT2IMG, data=b"", headers=headers), 401, "key_required")


def test_no_provider_key_means_no_usable_key(
    start_gateway: Callable[..., Server], provider: Upstream, key: str
) -> None:
    response = ask(start_gateway(), key)
    assert_refused(response, 503, "no_usable_key")
    call = stored_call(response)
    assert (call.outcome, call.provider_key) == ("denied", "")


@pytest.mark.parametrize("bad", [{"state": KeyState.DISABLED}, {"verdict": Verdict.DEAD}])
def test_a_dead_or_disabled_provider_key_is_not_used(
    gateway: Server, provider_key: ProviderKey, key: str, bad: dict[str, str]
) -> None:
    ProviderKey.objects.filter(pk=provider_key.pk).update(**bad)
    assert_refused(ask(gateway, key), 503, "no_usable_key")


def test_a_sealed_vault_says_so(gateway: Server, key: str, settings: Settings) -> None:
    assert ask(gateway, key).status_code == 200
    settings.MASTER_KEYS = ""
    vault.forget()
    assert_refused(ask(gateway, key), 503, "sealed")


def test_a_provider_that_is_not_there_is_a_502(
    gateway: Server, provider: Upstream, key: str, settings: Settings
) -> None:
    port = free_port()
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
    settings.PROVIDER_URLS = {"modelslab": f"http://127.0.0.1:{port}"}
    response = ask(gateway, key)
    assert_refused(response, 502, "upstream_unreachable")
    call = stored_call(response)
    assert (call.outcome, call.code) == ("network_error", "upstream_unreachable")
    assert REAL not in str(vars(call))


def test_a_provider_that_hangs_up_is_a_502(gateway: Server, provider: Upstream, key: str) -> None:
    provider.answer(hang_up=True)
    response = ask(gateway, key)
    assert_refused(response, 502, "upstream_unreachable")
    assert stored_call(response).outcome == "network_error"


def test_an_address_that_is_not_allowed_is_a_502(
    gateway: Server, key: str, settings: Settings
) -> None:
    settings.OUTBOUND_ALLOW = []
    assert_refused(ask(gateway, key), 502, "upstream_unreachable")


def test_a_provider_that_does_not_answer_is_a_504(
    start_gateway: Callable[..., Server],
    provider: Upstream,
    provider_key: ProviderKey,
    key: str,
    settings: Settings,
) -> None:
    settings.GATEWAY_TIMEOUT = 0.3
    gateway = start_gateway()
    provider.answer(200, wait_for=provider._closing)
    response = ask(gateway, key)
    assert_refused(response, 504, "upstream_timeout")
    call = stored_call(response)
    assert (call.outcome, call.code, call.status) == ("network_error", "upstream_timeout", 504)


def test_a_call_that_cannot_be_recorded_is_not_made(
    gateway: Server, provider: Upstream, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    assert ask(gateway, key).status_code == 200
    monkeypatch.setattr("usage.spool.writer.os.write", full)
    response = ask(gateway, key)
    monkeypatch.undo()
    assert_refused(response, 503, "unavailable")
    assert len(provider.requests) == 1
    assert ask(gateway, key).status_code == 200


def test_a_fault_of_ours_is_answered_recorded_and_logged_without_its_text(
    gateway: Server, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise RuntimeError(f"the key is {REAL}")

    monkeypatch.setattr("usage.gateway.relay.core.judge", fault)
    response = ask(gateway, key)
    assert_refused(response, 503, "unavailable")
    assert stored_call(response).code == "unavailable"
    assert "RuntimeError in a call" in caplog.text
    assert REAL not in caplog.text
