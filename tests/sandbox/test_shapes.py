"""OpenAI's and Anthropic's own clients understand the sandbox."""

import json
from typing import Any

import pytest
import requests

from tests.clients import sdk
from tests.live import PATIENCE
from tests.sandbox.conftest import Running

pytestmark = pytest.mark.xdist_group("clients")
HI = [{"role": "user", "content": "hi"}]


def openai_client(sandbox: Running, key: str) -> Any:
    return sdk("openai").OpenAI(api_key=key, base_url=f"{sandbox.url}/v1", max_retries=0)


def anthropic_client(sandbox: Running, key: str) -> Any:
    return sdk("anthropic").Anthropic(api_key=key, base_url=sandbox.url, max_retries=0)


@pytest.mark.parametrize("base", ["/v1", "/api/v7/llm"])
def test_openais_client_chats_and_streams(sandbox: Running, base: str) -> None:
    with sdk("openai").OpenAI(api_key="sandbox-live", base_url=sandbox.url + base) as client:
        whole = client.chat.completions.create(model="sandbox-small", messages=HI)
        assert whole.usage and whole.usage.total_tokens > 0
        events = list(
            client.chat.completions.create(
                model="sandbox-small",
                messages=HI,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        streamed = "".join(e.choices[0].delta.content or "" for e in events if e.choices)
        assert streamed.strip() == whole.choices[0].message.content
        assert events[-1].usage == whole.usage
        assert [model.id for model in client.models.list()]


@pytest.mark.parametrize(
    ("key", "error", "code"),
    [
        ("unknown", "AuthenticationError", "invalid_api_key"),
        ("sandbox-credits", "RateLimitError", "insufficient_quota"),
        ("sandbox-plan", "PermissionDeniedError", "insufficient_permissions"),
        ("sandbox-limited", "RateLimitError", "rate_limit_exceeded"),
        ("sandbox-500", "InternalServerError", None),
    ],
)
def test_openais_client_recognizes_the_errors(
    sandbox: Running, key: str, error: str, code: str | None
) -> None:
    with (
        openai_client(sandbox, key) as client,
        pytest.raises(getattr(sdk("openai"), error)) as caught,
    ):
        client.chat.completions.create(model="sandbox-small", messages=HI)
    assert caught.value.code == code


def test_anthropics_client_chats_and_streams(sandbox: Running) -> None:
    with anthropic_client(sandbox, "sandbox-live") as client:
        whole = client.messages.create(model="sandbox-small", max_tokens=10, messages=HI)
        assert whole.usage.output_tokens > 0
        with client.messages.stream(model="sandbox-small", max_tokens=10, messages=HI) as stream:
            assert stream.get_final_text().strip() == whole.content[0].text
        assert client.models.list().data[0].id == "sandbox-small"


@pytest.mark.parametrize(
    ("key", "status", "kind"),
    [
        ("unknown", 401, "authentication_error"),
        ("sandbox-credits", 402, "billing_error"),
        ("sandbox-plan", 403, "permission_error"),
        ("sandbox-limited", 429, "rate_limit_error"),
        ("sandbox-503", 529, "overloaded_error"),
    ],
)
def test_anthropics_client_recognizes_the_errors(
    sandbox: Running, key: str, status: int, kind: str
) -> None:
    with (
        anthropic_client(sandbox, key) as client,
        pytest.raises(sdk("anthropic").APIStatusError) as caught,
    ):
        client.messages.create(model="sandbox-small", max_tokens=10, messages=HI)
    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["type"] == kind


def test_models_answer_in_the_shape_of_whoever_asks(sandbox: Running) -> None:
    url = f"{sandbox.url}/v1/models"
    bearer = requests.get(url, headers={"Authorization": "Bearer unknown"}, timeout=PATIENCE)
    assert bearer.json()["error"]["code"] == "invalid_api_key"
    own = requests.get(url, headers={"x-api-key": "unknown"}, timeout=PATIENCE)
    assert own.json()["error"]["type"] == "authentication_error"


def test_modelslabs_llm_errors_keep_modelslabs_shape(sandbox: Running) -> None:
    answer = requests.post(
        f"{sandbox.url}/api/v7/llm/chat/completions",
        json={"key": "unknown", "messages": HI},
        timeout=PATIENCE,
    )
    assert answer.json() == {"status": "error", "message": "Invalid API key"}


def test_a_stream_is_server_sent_events(sandbox: Running) -> None:
    answer = requests.post(
        f"{sandbox.url}/api/v7/llm/chat/completions",
        json={"key": "sandbox-drip-0.01", "messages": HI, "stream": True},
        timeout=PATIENCE,
    )
    assert answer.headers["content-type"] == "text/event-stream"
    *events, last = answer.text.strip().split("\n\n")
    assert all(json.loads(event.removeprefix("data: "))["choices"] for event in events)
    assert last == "data: [DONE]"
