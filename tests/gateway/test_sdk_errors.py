"""The exceptions that the official clients of OpenAI and Anthropic raise, whoever refuses."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from keys.models import Application
from keys.states import Verdict
from tests.clients import sdk
from tests.factories import AppKeyFactory, ProviderKeyFactory
from tests.gateway.serving import Server
from tests.upstream import Answer, Upstream

MESSAGES: Any = [{"role": "user", "content": "Say hello"}]
SDKS = ("openai", "anthropic")
every_sdk = pytest.mark.parametrize("name", SDKS)
# These clients leave their sockets to the garbage collector.
pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

Ask = Callable[..., Any]


@pytest.fixture
def ask(
    start_gateway: Callable[..., Server],
    provider: Upstream,
    application: Application,
    settings: Settings,
) -> Iterator[Ask]:
    """`ask(name, key)`: a chat through that client, with its options."""
    settings.PROVIDER_URLS = dict.fromkeys(SDKS, provider.url)
    for name in SDKS:
        ProviderKeyFactory(application=application, provider=name, verdict=Verdict.LIVE)
    gateway = start_gateway()
    made: dict[str, Any] = {}

    def chat(name: str, key: str, at: str = "", **options: Any) -> Any:
        base = f"{gateway.url}/gateway/{at or name}"
        known = f"{base} {key} {options}"  # to make a client takes longer than to use it
        if name == "openai":
            options |= {"api_key": key, "base_url": base + "/v1", "max_retries": 0}
            client = made.get(known) or made.setdefault(known, sdk(name).OpenAI(**options))
            return client.chat.completions.create(model="m", messages=MESSAGES)
        options |= {"api_key": key, "base_url": base, "max_retries": 0}
        client = made.get(known) or made.setdefault(known, sdk(name).Anthropic(**options))
        return client.messages.create(model="m", max_tokens=9, messages=MESSAGES)

    yield chat
    for client in made.values():
        client.close()


@every_sdk
def test_a_providers_status_raises_its_own_exception(
    ask: Ask, provider: Upstream, key: str, name: str
) -> None:
    theirs = sdk(name)
    expected = {
        400: theirs.BadRequestError,
        404: theirs.NotFoundError,
        409: theirs.ConflictError,
        422: theirs.UnprocessableEntityError,
        500: theirs.InternalServerError,
        503: theirs.InternalServerError,
        403: theirs.PermissionDeniedError,
        401: theirs.AuthenticationError,
        429: theirs.RateLimitError,
    }
    for status, kind in expected.items():
        provider.answer(status, {"error": {"message": f"said {status}", "code": "theirs"}})
        with pytest.raises(kind, match=f"said {status}"):
            ask(name, key)


@every_sdk
def test_a_refusal_of_ours_raises_the_exception_of_its_kind(
    ask: Ask, application: Application, key: str, settings: Settings, name: str
) -> None:
    def of(**policy: Any) -> str:
        text: str = AppKeyFactory(application=application, **policy).plaintext
        return text

    theirs = sdk(name)
    settings.GATEWAY_BODY_LIMITS = {"mistral": 10}
    two = {"default_headers": {"xi-api-key": of()}}
    refusals: list[tuple[type[Exception], str, str, dict[str, Any]]] = [
        (theirs.AuthenticationError, "invalid_key", "not-a-key", {}),
        (theirs.RateLimitError, "rate_limited", of(per_minute=0), {}),
        (theirs.PermissionDeniedError, "provider_not_allowed", of(providers=["stripe"]), {}),
        (theirs.PermissionDeniedError, "endpoint_not_allowed", of(endpoints=["/v2/*"]), {}),
        (theirs.BadRequestError, "bad_request", key, two),
        (theirs.NotFoundError, "unknown_provider", key, {"at": "nowhere"}),
        (theirs.APIStatusError, "body_too_large", key, {"at": "mistral"}),
        (theirs.InternalServerError, "no_usable_key", key, {"at": "groq"}),
    ]
    for kind, code, text, options in refusals:
        with pytest.raises(kind) as caught:
            ask(name, text, **options)
        refused: Any = caught.value
        body = refused.body if name == "openai" else refused.body["error"]
        assert body["code"] == code
        assert refused.request_id or refused.response.headers["x-request-id"]


@every_sdk
def test_a_provider_that_breaks_off_or_is_slow_raises_and_never_answers_hollow(
    ask: Ask, provider: Upstream, key: str, name: str
) -> None:
    theirs = sdk(name)
    provider.answer(hang_up=True)
    with pytest.raises(theirs.InternalServerError, match="connection to the provider broke"):
        ask(name, key)
    typed = {"Content-Type": "application/json"}

    def cut() -> Iterator[bytes]:
        yield b'{"id": '
        raise ConnectionError

    provider.handler = lambda _: Answer(200, cut(), typed)
    with pytest.raises(theirs.InternalServerError, match="connection to the provider broke"):
        ask(name, key)
    provider.handler = None
    provider.answer(200, wait_for=provider._closing)
    with pytest.raises(theirs.APITimeoutError):
        ask(name, key, timeout=0.5)
