"""Mistral. Its keys have no shape of their own."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Probe, ProviderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistral(ProviderSpec):
    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "data" in data


MISTRAL = Mistral(
    slug="mistral",
    name="Mistral",
    base_url="https://api.mistral.ai",
    keys_url="https://console.mistral.ai/api-keys",
    env_var="MISTRAL_API_KEY",
    probe=Probe("GET", "/v1/models"),
    example=Example(
        "POST",
        "/v1/chat/completions",
        {
            "model": "mistral-small-latest",
            "messages": [{"role": "user", "content": "Say hello in five words."}],
        },
    ),
    accepts=frozenset({BEARER}),
    # Its keys are made on its pages only.
    dangerous=(
        "/v1/libraries/*/share",
        "DELETE /v1/agents/*",
        "DELETE /v1/files/*",
        "DELETE /v1/libraries/*",
        "DELETE /v1/models/*",
    ),
)
