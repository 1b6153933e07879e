"""ElevenLabs. What a 401 means stands in `detail.status`: a bad key, a scope, an empty account."""

from dataclasses import dataclass
from typing import Any

from keys.providers import answers
from keys.providers.base import Example, Kind, Placement, Probe, ProviderSpec

HEADER = Placement("header", "xi-api-key")
_SAID = {
    "invalid_api_key": Kind.KEY_INVALID,
    "missing_permissions": Kind.KEY_LIMITED,
    "quota_exceeded": Kind.KEY_EXHAUSTED,
    "too_many_concurrent_requests": Kind.RATE_LIMITED,
    "system_busy": Kind.UPSTREAM_ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ElevenLabs(ProviderSpec):
    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        kind = ProviderSpec.kind_of(self, status, answer)
        if kind is Kind.OK:
            return kind
        said = _SAID.get(_status_of(answer.data))
        if said is None and kind is Kind.KEY_INVALID:
            return Kind.UNKNOWN
        return said or kind

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "subscription" in data


def _status_of(data: Any) -> str:
    detail = data.get("detail") if isinstance(data, dict) else None
    return str(detail.get("status", "")) if isinstance(detail, dict) else ""


ELEVENLABS = ElevenLabs(
    slug="elevenlabs",
    name="ElevenLabs",
    base_url="https://api.elevenlabs.io",
    keys_url="https://elevenlabs.io/app/settings/api-keys",
    env_var="ELEVENLABS_API_KEY",
    key_shape=r"sk_[0-9a-f]{48}",
    probe=Probe("GET", "/v1/user"),
    example=Example(
        "POST",
        "/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb",
        {"text": "The lighthouse stands at dawn.", "model_id": "eleven_multilingual_v2"},
    ),
    accepts=frozenset({HEADER}),
    dangerous=(
        "/v1/service-accounts",
        "/v1/single-use-token",
        "/v1/workspace",
        # Signed addresses and tokens, with which anybody talks at the account's cost.
        "/v1/convai/conversation/get-signed-url",
        "/v1/convai/conversation/get_signed_url",
        "/v1/convai/conversation/token",
        "/v1/convai/secrets",
        "DELETE /v1/convai/agents/*",
        "DELETE /v1/convai/knowledge-base/*",
        "DELETE /v1/dubbing/*",
        "DELETE /v1/history/*",
        "DELETE /v1/pronunciation-dictionaries/*",
        "DELETE /v1/studio/projects/*",
        "DELETE /v1/voices/*",
    ),
)
