"""xAI. A bad key is a 400 as well as a 401; the probe tells of a key that is switched off."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, X_API_KEY, Example, Kind, Probe, ProviderSpec, Reading

# From its beginning: other messages quote the request.
_WRONG_KEY = "incorrect api key"
_SWITCHED_OFF = ("api_key_disabled", "api_key_blocked", "team_blocked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Xai(ProviderSpec):
    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        kind = ProviderSpec.kind_of(self, status, answer)
        told = answers.message(answer.data).lower()
        if kind is Kind.CALLER_ERROR and status == 400 and told.startswith(_WRONG_KEY):
            return Kind.KEY_INVALID
        return kind

    def read_probe(self, status: int, content_type: str, body: bytes) -> Reading:
        reading = ProviderSpec.read_probe(self, status, content_type, body)
        if reading.kind is Kind.OK:
            data = answers.parse(content_type, body).data
            off = next((name for name in _SWITCHED_OFF if data.get(name) is True), None)
            return Reading(Kind.KEY_LIMITED, off, "Switched off at xAI") if off else reading
        return reading

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and ("redacted_api_key" in data or "api_key_id" in data)


XAI = Xai(
    slug="xai",
    name="xAI",
    base_url="https://api.x.ai",
    keys_url="https://console.x.ai",
    env_var="XAI_API_KEY",
    key_shape=r"xai-[A-Za-z0-9]{60,}",
    probe=Probe("GET", "/v1/api-key"),
    example=Example(
        "POST",
        "/v1/chat/completions",
        {
            "model": "grok-3-mini",
            "messages": [{"role": "user", "content": "Say hello in five words."}],
        },
    ),
    accepts=frozenset({BEARER, X_API_KEY}),
    cost=answers.Cost("cost_in_usd_ticks", per_dollar=10**10),
    dangerous=("/auth", "/v1/realtime/client_secrets", "DELETE /v1/files/*"),
)
