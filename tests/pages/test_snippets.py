"""Every snippet runs as it is copied, and what arrives is the provider's own example."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django import Settings

from keys import snippets
from keys.models import Provider
from keys.providers import Example, ProviderSpec, get
from keys.snippets import KeyText
from tests.upstream import Received, Upstream

KEY = "kd_live_AbCdEfGhIjKl_0123456789abcdefghijABCDEFGHIJ01xyzXYZ"
# language -> (file, how a developer runs it)
RUN = {
    "curl": ("snippet.sh", ["sh"]),
    "python": ("snippet.py", [sys.executable]),
    "javascript": ("snippet.mjs", ["node"]),
    "php": ("snippet.php", ["php"]),
    "go": ("snippet.go", ["go", "run"]),
}
NASTY = """it's "quoted" \\ $HOME `id` ${x} {{ y }} %s \n\t<b>&amp; ünï ☃ 'end'"""

pytestmark = pytest.mark.django_db


def run(language: str, text: str, folder: Path, **variables: str) -> str:
    """Run a snippet as copied; its standard output."""
    name, command = RUN[language]
    if shutil.which(command[0]) is None and not os.environ.get("CI"):
        pytest.skip(f"{command[0]} is not installed")
    file = folder / name
    file.write_text(text)
    outer = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    env = {**outer, "GOFLAGS": "-mod=mod", "GO111MODULE": "off", **variables}
    done = subprocess.run(
        [*command, str(file)], env=env, capture_output=True, text=True, timeout=90, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def gateway(upstream: Upstream, settings: Settings) -> Upstream:
    """A server at the address that the snippets call."""
    settings.GATEWAY_URL = f"{upstream.url}/gateway"
    upstream.answer(200, {"status": "success", "id": 7})
    return upstream


def only(gateway: Upstream) -> Received:
    assert len(gateway.requests) == 1
    return gateway.requests[0]


@pytest.mark.parametrize("language", snippets.LANGUAGES)
def test_the_snippet_with_the_key_inside_sends_modelslabs_own_example(
    language: str, gateway: Upstream, tmp_path: Path
) -> None:
    spec = get("modelslab")
    printed = run(language, snippets.render(language, spec, KeyText(text=KEY)), tmp_path)
    request = only(gateway)
    assert (request.method, request.target) == (
        "POST",
        "/gateway/modelslab/api/v6/images/text2img",
    )
    assert request.header("Content-Type") == "application/json"
    assert request.json() == {"key": KEY, **spec.example.body}
    assert set(request.json()) == {"key", "prompt", "model_id", "width", "height"}
    assert '"success"' in printed


@pytest.mark.parametrize("language", snippets.LANGUAGES)
def test_the_snippet_that_reads_the_variable_holds_no_key_and_survives_any_text(
    language: str, gateway: Upstream, tmp_path: Path
) -> None:
    body = {"prompt": NASTY, "flags": [True, False, None, 1.5], "nested": {"a'b": [{"c": "d"}]}}
    example = Example("POST", "/api/v6/images/text2img", body)
    spec = replace(get("modelslab"), example=example)
    text = snippets.render(language, spec, KeyText(variable="MODELSLAB_API_KEY"))
    run(language, text, tmp_path, MODELSLAB_API_KEY=KEY)
    assert "kd_" not in text
    assert only(gateway).json() == {"key": KEY, **body}


@pytest.mark.parametrize("language", snippets.LANGUAGES)
def test_a_provider_with_a_bearer_key_gets_it_in_that_header(
    language: str, gateway: Upstream, tmp_path: Path
) -> None:
    spec = get("openai")
    run(language, snippets.render(language, spec, KeyText(text=KEY)), tmp_path)
    request = only(gateway)
    assert request.target == "/gateway/openai/v1/chat/completions"
    assert request.header("Authorization") == f"Bearer {KEY}"
    assert request.json() == spec.example.body


@pytest.mark.parametrize("language", snippets.LANGUAGES)
def test_a_provider_with_a_header_of_its_own_gets_the_key_and_the_fixed_headers(
    language: str, gateway: Upstream, tmp_path: Path
) -> None:
    spec = get("anthropic")
    text = snippets.render(language, spec, KeyText(variable="ANTHROPIC_API_KEY"))
    run(language, text, tmp_path, ANTHROPIC_API_KEY=KEY)
    request = only(gateway)
    assert request.header("x-api-key") == KEY
    assert request.header("anthropic-version")


@pytest.mark.parametrize("language", snippets.LANGUAGES)
def test_a_custom_provider_with_a_query_key_gets_a_request_without_a_body(
    language: str, gateway: Upstream, tmp_path: Path, weather: ProviderSpec
) -> None:
    run(language, snippets.render(language, weather, KeyText(text=KEY)), tmp_path)
    request = only(gateway)
    assert (request.method, request.path) == ("GET", "/gateway/weather/v1/me")
    assert request.query == [("appid", KEY)]
    assert request.body == b""


@pytest.fixture
def weather(db: None) -> ProviderSpec:
    Provider.objects.create(
        slug="weather",
        name="Weather",
        base_url="https://weather.example",
        credential_in="query",
        credential_name="appid",
        probe_method="GET",
        probe_path="/v1/me",
    )
    return get("weather")


@pytest.mark.django_db
def test_a_custom_providers_word_stands_before_the_key() -> None:
    Provider.objects.create(
        slug="deep",
        name="Deep",
        base_url="https://deep.example",
        credential_in="header",
        credential_name="Authorization",
        credential_prefix="Token",
    )
    text = snippets.render("curl", get("deep"), KeyText(text=KEY))
    assert f"authorization: Token {KEY}" in text


def test_the_export_line_sets_the_variable_in_a_shell() -> None:
    line = snippets.export_line(get("modelslab"), KEY)
    command = f'{line}\nprintf %s "$MODELSLAB_API_KEY"'
    shown = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert shown.stdout == KEY


def test_the_dotenv_line_is_name_and_value() -> None:
    assert snippets.dotenv_line(get("modelslab"), KEY) == f"MODELSLAB_API_KEY={KEY}"


def test_the_curl_body_is_json_that_a_reader_can_follow() -> None:
    text = snippets.render("curl", get("modelslab"), KeyText(text=KEY))
    body = text[text.index("{") : text.rindex("}") + 1]
    assert json.loads(body)["key"] == KEY
