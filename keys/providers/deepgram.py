"""Deepgram. The key stands in Authorization behind the word `Token`."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import Example, Placement, Probe, ProviderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Deepgram(ProviderSpec):
    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "projects" in data


DEEPGRAM = Deepgram(
    slug="deepgram",
    name="Deepgram",
    base_url="https://api.deepgram.com",
    keys_url="https://console.deepgram.com",
    env_var="DEEPGRAM_API_KEY",
    probe=Probe("GET", "/v1/projects"),
    example=Example(
        "POST", "/v1/speak?model=aura-2-thalia-en", {"text": "The lighthouse stands at dawn."}
    ),
    accepts=frozenset({Placement("header", "authorization")}),
    prefix="Token ",
    dangerous=(
        "/v1/auth/grant",  # a token that works without Keydeck
        "/v1/projects/*/invites",
        "/v1/projects/*/keys",
        "/v1/projects/*/members",
        "DELETE /v1/projects/*",
    ),
)
