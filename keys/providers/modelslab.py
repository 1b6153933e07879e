"""ModelsLab. The key's place depends on the path; errors also come with HTTP 200."""

import re
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
)

BODY = Placement("body", "key")
HEADER = Placement("header", "key")
QUERY = Placement("query", "key")

# path prefix -> places that the family takes, the preferred one first; anything else: BODY
_FAMILIES: tuple[tuple[str, tuple[Placement, ...]], ...] = (
    ("/api/v7/llm/v1/", (BEARER, X_API_KEY)),
    ("/api/v7/llm/models", (BEARER, X_API_KEY)),
    ("/api/v7/llm/", (BEARER, X_API_KEY, BODY)),
    ("/api/uncensored-chat/", (BEARER,)),
    ("/api/v1/workflows", (HEADER,)),
    ("/mcp/", (BEARER, X_API_KEY)),
    ("/api/v6/model-search", (QUERY,)),
    ("/api/v7/models", (QUERY,)),
)
_DEFAULT = (BODY, QUERY)

# What spends, deletes or lists what belongs to the whole account, wherever it stands in a path,
# and the control plane, which takes account tokens, never an API key.
_DANGEROUS = (
    "/buy_subscription",
    "/buy_model",
    "/delete_image",
    "/assets_generated",
    "/clear_cache",
    "/clear_queue",
    "/restart_server",
    "/update_server",
    "/update_s3",
    "/api/agents",
    "/mcp/agents",
)

_INVALID_KEY = re.compile(
    r"invalid (?:or \w+ )?api[ _-]?key|incorrect api[ _-]?key|(?:provide|have) a valid api[ _-]?key"
    r"|api[ _-]?key (?:is |was |has been |has )?"
    r"(?:required|invalid|missing|expired|revoked|disabled|not found)"
    r"|unauthori[sz]ed|unauthenticated|^invalid key\b"
)
_LIMITED = re.compile(
    r"premium|feature (?:is )?not available|upgrade (?:your|to a)"
    r"|requires? an? [\w ]*(?:plan|subscription)|enterprise (?:plan|only)"
)
_EXHAUSTED = re.compile(
    r"insufficient (?:credit|fund|balance)|(?:out of|not enough|no|low) (?:credit|fund|balance)"
    r"|add (?:more )?(?:credit|fund)|wallet|subscri"
)
_RATE = re.compile(r"rate limit|too many requests|queued requests|queue (?:is )?full|spam filter")
_TRY_AGAIN = re.compile(r"try again|internal server error|temporarily unavailable|server error")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsLab(ProviderSpec):
    def placement(self, path: str, found: frozenset[Placement]) -> Placement:
        lowered = path.lower()
        takes = next((p for prefix, p in _FAMILIES if lowered.startswith(prefix)), _DEFAULT)
        return next((place for place in takes if place in found), takes[0])

    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        if status not in (200, 201, 202, 400, 422):
            # super() without arguments fails in a dataclass with slots
            return ProviderSpec.kind_of(self, status, answer)
        data = answers.said(answer)
        if status < 300 and not answers.is_error(data):
            return Kind.OK
        text = answers.message(data).lower()
        if _INVALID_KEY.search(text):
            return Kind.KEY_INVALID
        if _LIMITED.search(text):
            return Kind.KEY_LIMITED
        if _EXHAUSTED.search(text):
            return Kind.KEY_EXHAUSTED
        if _RATE.search(text):
            return Kind.RATE_LIMITED
        if status < 300 and _TRY_AGAIN.search(text):
            return Kind.UPSTREAM_ERROR
        return Kind.CALLER_ERROR

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and data.get("status") == "success"

    def balance_of(self, content_type: str, body: bytes) -> answers.Balance | None:
        data = answers.parse(content_type, body).data
        if not isinstance(data, dict):
            return None
        told = data["data"] if isinstance(data.get("data"), dict) else data
        return answers.balance(told.get("balance"), told.get("currency"))


MODELSLAB = ModelsLab(
    slug="modelslab",
    name="ModelsLab",
    base_url="https://modelslab.com",
    keys_url="https://modelslab.com/dashboard/api-keys",
    env_var="MODELSLAB_API_KEY",
    probe=Probe("POST", "/api/wallet_balance", body={}),
    example=Example(
        "POST",
        "/api/v6/images/text2img",
        {
            "prompt": "a lighthouse on a cliff at dawn, watercolour",
            "model_id": "flux",
            "width": 512,
            "height": 512,
        },
    ),
    accepts=frozenset({BODY, HEADER, QUERY, BEARER, X_API_KEY}),
    dangerous=_DANGEROUS,
)
