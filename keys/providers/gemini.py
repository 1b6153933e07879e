"""Google Gemini. A bad key is a 400; the paths that speak OpenAI's language take a Bearer."""

from dataclasses import dataclass
from typing import Any

from keys.providers import answers
from keys.providers.base import BEARER, Example, Kind, Placement, Probe, ProviderSpec

HEADER = Placement("header", "x-goog-api-key")
QUERY = Placement("query", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemini(ProviderSpec):
    def placement(self, path: str, found: frozenset[Placement]) -> Placement:
        return BEARER if "/openai/" in path.lower() else HEADER

    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        kind = ProviderSpec.kind_of(self, status, answer)
        if kind is Kind.CALLER_ERROR and "API_KEY_INVALID" in _reasons(answers.said(answer)):
            return Kind.KEY_INVALID
        if kind is Kind.KEY_INVALID:
            return Kind.UNKNOWN  # asks for another sort of credential
        return kind

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "models" in data


def _reasons(data: Any) -> set[str]:
    error = data.get("error") if isinstance(data, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    found = details if isinstance(details, list) else []
    return {str(detail.get("reason")) for detail in found if isinstance(detail, dict)}


GEMINI = Gemini(
    slug="gemini",
    name="Google Gemini",
    base_url="https://generativelanguage.googleapis.com",
    keys_url="https://aistudio.google.com/apikey",
    env_var="GEMINI_API_KEY",
    base_url_var=("GOOGLE_GEMINI_BASE_URL", ""),
    key_shape=r"AIza[A-Za-z0-9_-]{35}",
    probe=Probe("GET", "/v1beta/models"),
    example=Example(
        "POST",
        "/v1beta/models/gemini-2.0-flash:generateContent",
        {"contents": [{"parts": [{"text": "Say hello in five words."}]}]},
    ),
    accepts=frozenset({HEADER, QUERY, BEARER}),
    # A verb may follow behind a colon.
    dangerous=(
        "/auth_tokens*",
        "/authtokens*",
        "/corpora/*/permissions",
        "/tunedmodels/*/permissions",
        "/tunedmodels/*:transferownership",
        "DELETE /batches/*",
        "DELETE /cachedcontents/*",
        "DELETE /corpora/*",
        "DELETE /files/*",
        "DELETE /filesearchstores/*",
        "DELETE /tunedmodels/*",
    ),
)
