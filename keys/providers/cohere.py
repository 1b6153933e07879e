"""Cohere. Its own check of a key says `valid: false` with HTTP 200."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Kind, Probe, ProviderSpec, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohere(ProviderSpec):
    def read_probe(self, status: int, content_type: str, body: bytes) -> Reading:
        data = answers.parse(content_type, body).data
        if status == 200 and isinstance(data, dict) and data.get("valid") is False:
            return Reading(Kind.KEY_INVALID, "valid_false", "Cohere calls the key invalid")
        return ProviderSpec.read_probe(self, status, content_type, body)

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and data.get("valid") is True


COHERE = Cohere(
    slug="cohere",
    name="Cohere",
    base_url="https://api.cohere.com",
    keys_url="https://dashboard.cohere.com/api-keys",
    env_var="COHERE_API_KEY",
    base_url_var=("CO_API_URL", ""),
    probe=Probe("POST", "/v1/check-api-key"),
    example=Example(
        "POST",
        "/v2/chat",
        {
            "model": "command-r7b-12-2024",
            "messages": [{"role": "user", "content": "Say hello in five words."}],
        },
    ),
    accepts=frozenset({BEARER}),
    dangerous=(
        "DELETE /v1/connectors/*",
        "DELETE /v1/datasets/*",
        "DELETE /v1/finetuning/finetuned-models/*",
    ),
)
