"""DeepSeek. Its probe tells the balance, and whether that suffices for calls."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, X_API_KEY, Example, Kind, Probe, ProviderSpec, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepSeek(ProviderSpec):
    def read_probe(self, status: int, content_type: str, body: bytes) -> Reading:
        reading = ProviderSpec.read_probe(self, status, content_type, body)
        data = answers.parse(content_type, body).data
        if reading.kind is Kind.OK and data["is_available"] is False:
            return Reading(Kind.KEY_EXHAUSTED, "insufficient_balance", "Insufficient balance")
        return reading

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and isinstance(data.get("is_available"), bool)

    def balance_of(self, content_type: str, body: bytes) -> answers.Balance | None:
        data = answers.parse(content_type, body).data
        listed = data.get("balance_infos") if isinstance(data, dict) else None
        told = listed[0] if isinstance(listed, list) and listed else None
        if not isinstance(told, dict):
            return None
        return answers.balance(told.get("total_balance"), told.get("currency"))


DEEPSEEK = DeepSeek(
    slug="deepseek",
    name="DeepSeek",
    base_url="https://api.deepseek.com",
    keys_url="https://platform.deepseek.com/api_keys",
    env_var="DEEPSEEK_API_KEY",
    probe=Probe("GET", "/user/balance"),
    example=Example(
        "POST",
        "/chat/completions",
        {
            "model": "deepseek-chat",
            "messages": [{"role": "user", "content": "Say hello in five words."}],
        },
    ),
    accepts=frozenset({BEARER, X_API_KEY}),  # the latter below /anthropic
    dangerous=("/api_keys", "/user/api_keys"),  # its keys are made on its pages only
)
