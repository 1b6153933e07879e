"""Keys that callers put where no key belongs are neither written down nor passed on."""

from collections.abc import Callable
from urllib.parse import quote

import pytest

from keys.models import Application
from keys.states import Verdict
from tests.factories import ProviderKeyFactory
from tests.gateway.conftest import REAL, TEXT2IMG
from tests.gateway.serving import Server, stored_call
from tests.live import ask
from tests.upstream import Upstream


@pytest.mark.parametrize("padding", [0, 170])
@pytest.mark.parametrize("whose", ["app key", "real key"])
def test_a_key_in_the_user_agent_is_not_recorded(
    gateway: Server, key: str, whose: str, padding: int
) -> None:
    """Nor the half of it that fits before the record's limit."""
    stray = key if whose == "app key" else REAL
    agent = f"app/1.0 {'x' * padding} ({stray})"
    headers = {"Authorization": f"Bearer {key}", "User-Agent": agent}
    response = gateway.post(TEXT2IMG, json={"prompt": "x"}, headers=headers)
    call = stored_call(response)
    assert call.user_agent.startswith("app/1.0")
    assert stray[:20] not in call.user_agent


def test_a_key_in_the_user_agent_is_not_recorded_encoded_either(
    start_gateway: Callable[..., Server], application: Application, provider: Upstream, key: str
) -> None:
    stray = "real/key+of/ModelsLab0123456789=="
    ProviderKeyFactory(application=application, secret=stray, verdict=Verdict.LIVE)
    headers = {"Authorization": f"Bearer {key}", "User-Agent": f"app/1.0 {quote(stray, safe='')}"}
    response = start_gateway().post(TEXT2IMG, json={"prompt": "x"}, headers=headers)
    assert set(stored_call(response).user_agent.removeprefix("app/1.0 ")) == {"*"}


@pytest.mark.parametrize("written", ["{}", "call-{}", "%6b{}"])
def test_a_key_in_the_path_is_not_recorded(
    gateway: Server, provider: Upstream, key: str, written: str
) -> None:
    path = f"/api/v6/{written.format(key).replace('%6bk', '%6b')}"
    address = f"{gateway.url}/gateway/modelslab{path}"
    reply = ask("GET", address, headers={"Authorization": f"Bearer {key}"})  # encoded as it is
    assert reply.status == 400
    call = stored_call(reply.headers["x-request-id"])
    assert (call.outcome, call.code) == ("denied", "bad_request")
    assert key.rpartition("_")[2] not in call.endpoint
    assert provider.requests == []


def test_a_key_in_a_body_that_is_streamed_past_does_not_reach_the_provider(
    gateway: Server, provider: Upstream, key: str
) -> None:
    content = [b"\x89PNG " + key[:10].encode(), key[10:].encode() + b" IEND"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/png"}
    gateway.post("/api/v7/llm/v1/files", data=iter(content), headers=headers)
    (received,) = provider.requests
    assert received.body == b"\x89PNG " + b"*" * len(key) + b" IEND"
