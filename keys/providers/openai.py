"""OpenAI. A 401 means a dead key only with the code `invalid_api_key`."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Kind, Probe, ProviderSpec

_DEAD = frozenset({"invalid_api_key", "account_deactivated"})
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})

_DANGEROUS = (
    # Keys, and secrets that a browser spends without Keydeck.
    "/v1/organization",
    "/v1/projects",
    "/v1/realtime/client_secrets",
    "/v1/realtime/sessions",
    "/v1/realtime/transcription_sessions",
    "/v1/realtime/translations/client_secrets",
    "/v1/chatkit/sessions",
    # What the account keeps, whoever of its users made it.
    "DELETE /v1/assistants/*",
    "DELETE /v1/chatkit/threads/*",
    "DELETE /v1/containers/*",
    "DELETE /v1/evals/*",
    "DELETE /v1/files/*",
    "DELETE /v1/models/*",
    "DELETE /v1/skills/*",
    "DELETE /v1/vector_stores/*",
    "/v1/fine_tuning/checkpoints/*/permissions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAI(ProviderSpec):
    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        kind = ProviderSpec.kind_of(self, status, answer)
        code = answers.code(answer.data)
        if kind is Kind.KEY_INVALID and code not in _DEAD:
            return (
                Kind.UNKNOWN
            )  # an address that is not allowed, a person who left the organisation
        if kind is Kind.RATE_LIMITED and code in _SPENT:
            return Kind.KEY_EXHAUSTED
        if kind is Kind.KEY_LIMITED and code == "unsupported_country_region_territory":
            return Kind.UNKNOWN  # says where we are, not what the key is
        return kind

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "data" in data


OPENAI = OpenAI(
    slug="openai",
    name="OpenAI",
    base_url="https://api.openai.com",
    keys_url="https://platform.openai.com/api-keys",
    env_var="OPENAI_API_KEY",
    base_url_var=("OPENAI_BASE_URL", "/v1"),
    key_shape=r"sk-(?!ant-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}",
    probe=Probe("GET", "/v1/models"),
    example=Example(
        "POST",
        "/v1/chat/completions",
        {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "Say hello in five words."}],
        },
    ),
    accepts=frozenset({BEARER}),
    dangerous=_DANGEROUS,
)
