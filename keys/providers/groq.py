"""Groq: OpenAI's language below `/openai/v1`."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Kind, Probe, ProviderSpec

_FULL = 498  # its own status: the capacity of the flexible tier is used up


@dataclass(frozen=True, slots=True, kw_only=True)
class Groq(ProviderSpec):
    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        if status == _FULL:
            return Kind.UPSTREAM_ERROR
        kind = ProviderSpec.kind_of(self, status, answer)
        if kind is Kind.CALLER_ERROR and answers.code(answer.data) == "organization_restricted":
            return Kind.KEY_LIMITED
        return kind

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "data" in data


GROQ = Groq(
    slug="groq",
    name="Groq",
    base_url="https://api.groq.com",
    keys_url="https://console.groq.com/keys",
    env_var="GROQ_API_KEY",
    base_url_var=("GROQ_BASE_URL", ""),
    key_shape=r"gsk_[A-Za-z0-9]{20,}",
    probe=Probe("GET", "/openai/v1/models"),
    example=Example(
        "POST",
        "/openai/v1/chat/completions",
        {
            "model": "llama-3.1-8b-instant",
            "messages": [{"role": "user", "content": "Say hello in five words."}],
        },
    ),
    accepts=frozenset({BEARER}),
    # Its keys are made on its pages only.
    dangerous=("DELETE /openai/v1/files/*", "DELETE /openai/v1/models/*"),
)
