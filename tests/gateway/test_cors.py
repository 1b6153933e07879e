"""Pages of other sites call the gateway only where the operator opened it to them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from pytest_django import Settings

from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call
from tests.upstream import Upstream
from usage.models import Call

PAGE = "https://app.example.com"
OTHER = "https://app.example.com.evil.example"
ALLOW = "Access-Control-Allow-"


def preflight(gateway: Server, origin: str | bytes) -> requests.Response:
    """What a browser asks before a page's fetch with JSON and a key in a header."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
    }
    url = f"{gateway.url}/gateway/modelslab{TEXT2IMG}"
    return gateway.session.options(url, headers=headers)


def opened(response: requests.Response) -> set[str]:
    return {name for name in map(str.lower, response.headers) if name.startswith("access-control-")}


@pytest.mark.parametrize("allowed", [(), ("https://another.example",), (OTHER,)])
def test_the_preflight_of_a_page_that_nobody_allowed_is_refused(
    gateway: Server, provider: Upstream, settings: Settings, allowed: tuple[str, ...]
) -> None:
    settings.GATEWAY_CORS = frozenset(allowed)
    for origin in (PAGE, "null", PAGE + ":8443", PAGE.replace("https", "http")):
        response = preflight(gateway, origin)
        assert (response.status_code, response.json()["error"]["code"]) == (
            403,
            "origin_not_allowed",
        )
        assert opened(response) == set()
    assert provider.requests == []


@pytest.mark.parametrize("allowed", [PAGE, "*"])
def test_an_allowed_page_is_answered_by_keydeck_itself(
    gateway: Server, provider: Upstream, settings: Settings, allowed: str
) -> None:
    settings.GATEWAY_CORS = frozenset({allowed})
    response = preflight(gateway, PAGE)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers[ALLOW + "Origin"] == PAGE
    assert response.headers[ALLOW + "Headers"] == "authorization,content-type,x-stainless-os"
    assert "DELETE" in response.headers[ALLOW + "Methods"]
    assert response.headers["Vary"] == "origin"
    assert ALLOW + "Credentials" not in response.headers  # cookies stay out of it
    assert response.headers["X-Request-Id"]
    assert provider.requests == []
    assert not Call.objects.exists()


def test_an_allowed_page_can_read_answers_and_refusals(
    gateway: Server, provider: Upstream, key: str, settings: Settings
) -> None:
    settings.GATEWAY_CORS = frozenset({PAGE})
    provider.answer(
        200, {"status": "success"}, headers={ALLOW + "Origin": "*", ALLOW + "Credentials": "true"}
    )
    for text, status in ((key, 200), ("nonsense", 401)):
        response = gateway.post(TEXT2IMG, json={"key": text}, headers={"Origin": PAGE})
        assert response.status_code == status
        assert response.headers[ALLOW + "Origin"] == PAGE
        assert opened(response) == {"access-control-allow-origin", "access-control-expose-headers"}
    response = gateway.post(TEXT2IMG, json={"key": key}, headers={"Origin": OTHER})
    assert (response.status_code, response.headers["Vary"]) == (200, "origin")
    assert opened(response) == set()
    assert [received.header("Origin") for received in provider.requests] == [None, None]


def test_an_options_that_is_no_preflight_is_a_call_like_others(
    gateway: Server, provider: Upstream, key: str
) -> None:
    url = f"{gateway.url}/gateway/modelslab/mcp/v7"
    assert gateway.session.options(url, headers={"Origin": PAGE}).status_code == 401
    response = gateway.session.options(url, headers={"Authorization": f"Bearer {key}"})
    assert (response.status_code, provider.requests[0].method) == (200, "OPTIONS")
    assert stored_call(response).method == "OPTIONS"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "[]"),
        (
            "https://App.example.com/, http://localhost:3000",
            "['http://localhost:3000', 'https://app.example.com']",
        ),
        ("https://app.example.com/page", "expected https://host,… or *"),
        ("app.example.com", "expected https://host,… or *"),
    ],
)
def test_the_setting_names_sites_as_browsers_do(tmp_path: Path, given: str, said: str) -> None:
    fixed = {"PATH": os.environ["PATH"], "KEYDECK_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", "from config import settings; print(sorted(settings.GATEWAY_CORS))"],
        env=fixed | {"KEYDECK_GATEWAY_CORS": given},
        capture_output=True,
        text=True,
    )
    assert said in done.stdout + done.stderr


def test_an_origin_that_no_browser_writes_is_refused_like_others(
    gateway: Server, provider: Upstream, settings: Settings, key: str
) -> None:
    settings.GATEWAY_CORS = ["*"]
    origin = "https://漢.example".encode()
    assert preflight(gateway, origin).status_code == 403
    answer = gateway.post(TEXT2IMG, json={"key": key}, headers={"Origin": origin})
    assert (answer.status_code, opened(answer)) == (200, set())
