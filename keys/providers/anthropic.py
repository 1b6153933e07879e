"""Anthropic. The key goes into `x-api-key`; OAuth-style clients send it as Bearer."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import (
    BEARER,
    X_API_KEY,
    Example,
    Kind,
    Placement,
    Probe,
    ProviderSpec,
    Reading,
)

_VERSION = ("anthropic-version", "2023-06-01")
# From its beginning: other messages quote the request.
_SPENT = "your credit balance is too low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anthropic(ProviderSpec):
    def placement(self, path: str, found: frozenset[Placement]) -> Placement:
        return X_API_KEY  # the provider's API keys are not taken as Bearer

    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        kind = ProviderSpec.kind_of(self, status, answer)
        if status == 400 and answers.message(answer.data).lower().startswith(_SPENT):
            return Kind.KEY_EXHAUSTED
        return kind

    def read_probe(self, status: int, content_type: str, body: bytes) -> Reading:
        reading = ProviderSpec.read_probe(self, status, content_type, body)
        if status == 404 and reading.code == "not_found_error":
            # The list of models is always there: it says so of keys whose organisation is gone.
            return reading._replace(kind=Kind.KEY_INVALID)
        return reading

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "data" in data


ANTHROPIC = Anthropic(
    slug="anthropic",
    name="Anthropic",
    base_url="https://api.anthropic.com",
    keys_url="https://console.anthropic.com/settings/keys",
    env_var="ANTHROPIC_API_KEY",
    base_url_var=("ANTHROPIC_BASE_URL", ""),
    key_shape=r"sk-ant-[A-Za-z0-9_-]{20,}",
    probe=Probe("GET", "/v1/models", headers=(_VERSION,)),
    example=Example(
        "POST",
        "/v1/messages",
        {
            "model": "claude-3-5-haiku-latest",
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "Say hello in five words."}],
        },
    ),
    extra_headers=(_VERSION,),
    accepts=frozenset({X_API_KEY, BEARER}),
    dangerous=(
        "/api/oauth",  # makes API keys
        "/v1/oauth",
        "/v1/organizations",
        "DELETE /v1/files/*",
        "DELETE /v1/messages/batches/*",
        "DELETE /v1/skills/*",
    ),
)
