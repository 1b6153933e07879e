"""OpenRouter. Errors of the model behind it come with HTTP 200 too, the status in `error.code`."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Kind, Probe, ProviderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRouter(ProviderSpec):
    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        data = answers.said(answer)
        if 200 <= status < 300 and answers.is_error(data):
            code = answers.code(data)
            status = int(code) if code.isdigit() else 502
        kind = ProviderSpec.kind_of(self, status, answer)
        text = answers.message(data).lower()
        if kind is Kind.KEY_LIMITED and text.startswith("key limit exceeded"):
            return Kind.KEY_EXHAUSTED  # what its owner lets this key spend
        if kind is Kind.KEY_LIMITED and ("moderation" in text or "flagged" in text):
            return Kind.CALLER_ERROR
        return kind

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and isinstance(data.get("data"), dict)

    def balance_of(self, content_type: str, body: bytes) -> answers.Balance | None:
        # What is left of the key's own limit; without one it says null.
        data = answers.parse(content_type, body).data
        told = data.get("data") if isinstance(data, dict) else None
        return (
            answers.balance(told.get("limit_remaining"), "USD") if isinstance(told, dict) else None
        )


OPENROUTER = OpenRouter(
    slug="openrouter",
    name="OpenRouter",
    base_url="https://openrouter.ai",
    keys_url="https://openrouter.ai/settings/keys",
    env_var="OPENROUTER_API_KEY",
    key_shape=r"sk-or-v1-[A-Za-z0-9]{20,}",
    probe=Probe("GET", "/api/v1/key"),  # /models answers anybody
    example=Example(
        "POST",
        "/api/v1/chat/completions",
        {
            "model": "openai/gpt-4o-mini",
            "messages": [{"role": "user", "content": "Say hello in five words."}],
        },
    ),
    accepts=frozenset({BEARER}),
    cost=answers.Cost("cost"),  # its credits are dollars
    dangerous=(
        "/api/v1/keys",
        "/api/v1/auth/keys",
        "/api/v1/credits/coinbase",
        "/api/v1/guardrails",
        "/api/v1/organization",
    ),
)
