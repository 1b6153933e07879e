"""The providers' own clients, unmodified, through the gateway, against the sandbox."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from keys.models import Application
from keys.states import Verdict
from tests.clients import sdk
from tests.factories import AppKeyFactory, ProviderKeyFactory
from tests.gateway.serving import Server, stored_call, wait_until
from tests.sandbox.conftest import Running
from usage.models import Call

# These clients leave their sockets to the garbage collector.
pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*`dict` method is deprecated"),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    running = Running()
    yield running
    running.end()


@pytest.fixture
def served(start_gateway: Callable[..., Server], sandbox: Running, settings: Settings) -> Server:
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{sandbox.port}"]
    settings.PROVIDER_URLS = dict.fromkeys(("modelslab", "openai", "anthropic"), sandbox.url)
    return start_gateway()


@pytest.fixture
def key_for(application: Application) -> Callable[[str, str], str]:
    """`key_for(provider, sandbox key)`: an app key whose pool holds that sandbox key."""

    def make(provider: str, secret: str) -> str:
        ProviderKeyFactory(
            application=application, provider=provider, secret=secret, verdict=Verdict.LIVE
        )
        text: str = AppKeyFactory(application=application).plaintext
        return text

    return make


def modelslab(served: Server, key: str) -> Any:
    client = sdk("modelslab_py.core.client").Client(key, fetch_retry=10, fetch_timeout=0)
    client.base_url = f"{served.url}/gateway/modelslab/api/"
    return sdk("modelslab_py.core.apis.community").Community(client)


def picture(**fields: Any) -> Any:
    return sdk("modelslab_py.schemas.community").Text2Image(
        prompt="a fox", model_id="flux", **fields
    )


def test_modelslab_makes_a_picture(served: Server, key_for: Callable[[str, str], str]) -> None:
    api = modelslab(served, key_for("modelslab", "sandbox-live-client"))
    answer = api.text_to_image(picture(width=512, height=512))
    assert answer["status"] == "success"
    assert answer["output"][0].endswith(".png")


def test_modelslab_fetches_what_is_processed(
    served: Server, key_for: Callable[[str, str], str]
) -> None:
    api = modelslab(served, key_for("modelslab", "sandbox-async-client"))
    made = api.text_to_image(picture(width=512, height=512))
    assert made["status"] == "processing"
    assert made["fetch_result"].startswith(f"{served.url}/gateway/modelslab/api/")
    assert api.fetch(str(made["id"]))["status"] == "success"


def test_modelslab_raises_for_a_refusal_of_ours(served: Server) -> None:
    with pytest.raises(Exception, match=r"401.*Invalid API key"):
        modelslab(served, "not-a-key").text_to_image(picture())


@pytest.fixture
def openai_client(served: Server) -> Iterator[Callable[..., Any]]:
    made = []

    def make(key: str, base: str = "/gateway/openai/v1") -> Any:
        made.append(sdk("openai").OpenAI(api_key=key, base_url=served.url + base, max_retries=0))
        return made[-1]

    yield make
    for client in made:
        client.close()


MESSAGES = [{"role": "user", "content": "Say hello"}]


def test_openai_completes(
    openai_client: Callable[..., Any], key_for: Callable[[str, str], str]
) -> None:
    client = openai_client(key_for("openai", "sandbox-live-client"))
    answer = client.chat.completions.create(model="gpt", messages=MESSAGES)
    assert answer.choices[0].message.content
    assert client.models.list().data
    calls = wait_until(lambda: Call.objects.filter(endpoint="/v1/chat/completions"))
    assert calls[0].tokens_in == answer.usage.prompt_tokens > 0
    assert calls[0].tokens_out == answer.usage.completion_tokens > 0


@pytest.mark.parametrize("provider", ["openai", "modelslab"])
def test_openai_streams(
    openai_client: Callable[..., Any],
    key_for: Callable[[str, str], str],
    provider: str,
) -> None:
    base = "/v1" if provider == "openai" else "/api/v7/llm"
    client = openai_client(key_for(provider, "sandbox-live-client"), f"/gateway/{provider}{base}")
    stream = client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True)
    words = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert len(words) > 2
    assert "".join(words)
    assert wait_until(lambda: Call.objects.first()).outcome == "ok"


@pytest.mark.parametrize(
    ("secret", "error", "outcome"),
    [
        ("sandbox-credits-client", "APIStatusError", "key_error"),
        ("sandbox-plan-client", "PermissionDeniedError", "key_error"),
        ("sandbox-limited-client", "RateLimitError", "rate_limited"),
        ("sandbox-500-client", "InternalServerError", "upstream_error"),
    ],
)
def test_openai_raises_the_right_exception_for_a_providers_error(
    openai_client: Callable[..., Any],
    key_for: Callable[[str, str], str],
    secret: str,
    error: str,
    outcome: str,
) -> None:
    client = openai_client(key_for("openai", secret))
    with pytest.raises(getattr(sdk("openai"), error)) as caught:
        client.chat.completions.create(model="gpt", messages=MESSAGES)
    assert stored_call(caught.value.response.headers["x-request-id"]).outcome == outcome


def test_openai_raises_the_right_exception_for_a_refusal_of_ours(
    openai_client: Callable[..., Any], application: Application
) -> None:
    with pytest.raises(sdk("openai").AuthenticationError) as caught:
        openai_client("not-a-key").models.list()
    assert (caught.value.code, caught.value.type) == ("invalid_key", "authentication_error")
    assert caught.value.request_id
    limited = AppKeyFactory(application=application, per_minute=0).plaintext
    with pytest.raises(sdk("openai").RateLimitError) as too_many:
        openai_client(limited).models.list()
    assert too_many.value.code == "rate_limited"
    forbidden = AppKeyFactory(application=application, providers=["stripe"]).plaintext
    with pytest.raises(sdk("openai").PermissionDeniedError):
        openai_client(forbidden).models.list()


@pytest.fixture
def anthropic_client(served: Server) -> Iterator[Callable[[str], Any]]:
    made = []

    def make(key: str) -> Any:
        base = f"{served.url}/gateway/anthropic"
        made.append(sdk("anthropic").Anthropic(api_key=key, base_url=base, max_retries=0))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_anthropic_answers_and_streams(
    anthropic_client: Callable[[str], Any], key_for: Callable[[str, str], str]
) -> None:
    client = anthropic_client(key_for("anthropic", "sandbox-live-client"))
    answer = client.messages.create(model="claude", max_tokens=50, messages=MESSAGES)
    assert answer.content[0].type == "text"
    with client.messages.stream(model="claude", max_tokens=50, messages=MESSAGES) as stream:
        text = "".join(stream.text_stream)
    assert text
    wait_until(lambda: Call.objects.count() == 2)
    for call in Call.objects.all():
        assert (call.outcome, call.endpoint) == ("ok", "/v1/messages")
        assert call.tokens_in > 0
        assert call.tokens_out > 1


def test_anthropic_raises_the_right_exceptions(
    anthropic_client: Callable[[str], Any], key_for: Callable[[str, str], str]
) -> None:
    with pytest.raises(sdk("anthropic").AuthenticationError, match="Invalid API key"):
        anthropic_client("not-a-key").models.list()
    client = anthropic_client(key_for("anthropic", "sandbox-limited-client"))
    with pytest.raises(sdk("anthropic").RateLimitError):
        client.messages.create(model="claude", max_tokens=5, messages=MESSAGES)
