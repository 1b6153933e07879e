"""ModelsLab. The key's place depends on the path; errors also come with HTTP 200."""

import re
from dataclasses import dataclass
from typing import Any

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
_ANY_FAMILY = tuple(prefix for prefix, _ in _FAMILIES)
_DEFAULT = (BODY, QUERY)
_NESTED = 3  # errors inside errors that are looked into

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

# What it is known to say, whole sentences: a message may quote the caller's own words (a model's
# name), and those must never speak for a key that others share.
_WALLET = r"(?: (?:in|on) your (?:wallet|account))?"
_SENTENCES: tuple[tuple[Kind, str], ...] = (
    (
        Kind.KEY_INVALID,
        r"(?:invalid|incorrect|wrong|expired|revoked)(?: or \w+)? api[ _-]?key(?: provided)?"
        r"|(?:your |the )?api[ _-]?key (?:is |was |has been |has )?"
        r"(?:required|invalid|incorrect|missing|expired|revoked|disabled)"
        r"|(?:please )?(?:provide|have|use) a valid api[ _-]?key"
        r"|authentication required|unauthori[sz]ed(?: access)?|unauthenticated|invalid key",
    ),
    (
        Kind.KEY_LIMITED,
        r"(?:this |the )?feature (?:is )?not available(?: (?:on|for|in|with) your (?:\w+ )?plan)?"
        r"|this (?:feature|model|endpoint|api) (?:requires|needs) an? (?:\w+ ){0,3}"
        r"(?:plan|subscription)"
        r"|(?:please )?upgrade (?:your (?:\w+ )?(?:plan|subscription|account)"
        r"|to an? (?:\w+ ){0,3}(?:plan|subscription))"
        r"(?: to (?:use|access) this (?:feature|model|endpoint|api))?"
        r"|(?:this (?:feature|model|endpoint|api) is )?(?:available )?"
        r"(?:for |on |to )?(?:enterprise|premium) (?:plans?|users?|only)(?: only)?",
    ),
    (
        Kind.KEY_EXHAUSTED,
        r"(?:you have (?:an )?)?insufficient (?:wallet )?(?:credits?|funds?|balance)"
        + _WALLET
        + r"|(?:you (?:are|have|ran|have run) |your account (?:is|has) )?"
        r"(?:out of|not enough|no|low) (?:more )?(?:credits?|funds?|balance)"
        r"(?: left| remaining)?"
        + _WALLET
        + r"|(?:please )?(?:add|buy|purchase) (?:more )?(?:credits?|funds?)"
        r"(?: to (?:your (?:wallet|account)|continue))?"
        r"|(?:please )?(?:top up|recharge) your (?:wallet|account)(?: to continue)?"
        r"|your (?:wallet|wallet balance|balance) is (?:empty|low|too low|insufficient)"
        r"|(?:your |the )?(?:\w+ )?subscription (?:has |is |was )?"
        r"(?:expired|ended|inactive|not active|cancell?ed)"
        r"|(?:you (?:have|do not have|don't have) )?(?:no|an|any) active (?:subscription|plan)"
        r"|(?:please )?subscribe(?: to an? (?:\w+ )?plan)?(?: to continue)?",
    ),
    (
        Kind.RATE_LIMITED,
        r"(?:api )?rate limit(?: is)?(?: exceeded| reached)?|too many (?:queued )?requests"
        r"|maximum \d+ queued requests allowed|(?:the |your )?queue (?:is )?full"
        r"|you are sending (?:the )?same request multiple times, spam filter is enabled"
        r"(?:, please wait for \d+ seconds and try again)?",
    ),
    (
        Kind.UPSTREAM_ERROR,
        r"failed, try again(?: later)?|(?:please )?try again(?: later)?|(?:internal )?server error"
        r"|(?:service |server )?(?:is )?temporarily unavailable",
    ),
)
_KNOWN = tuple((kind, re.compile(sentence)) for kind, sentence in _SENTENCES)
_END = re.compile(r"[.!;](?: |\Z)")
# What a sentence about the request says. After one that begins with the caller's words, those
# could have been a whole sentence of the above.
_COMPLAINT = re.compile(
    r"\b(?:not|no|isn't|doesn't|can't|cannot|invalid|unknown|unsupported|wrong|must|found|exist)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsLab(ProviderSpec):
    def placement(self, path: str, found: frozenset[Placement]) -> Placement:
        lowered = path.lower()
        takes: tuple[Placement, ...] = _DEFAULT
        if lowered.startswith(_ANY_FAMILY):
            takes = next(places for prefix, places in _FAMILIES if lowered.startswith(prefix))
        return next((place for place in takes if place in found), takes[0])

    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        if status not in (200, 201, 202, 400, 422):
            # super() without arguments fails in a dataclass with slots
            return ProviderSpec.kind_of(self, status, answer)
        data = answers.said(answer)
        if status < 300 and not answers.is_error(data):
            return Kind.OK
        kind = _kind_said(_sentence(data))
        if kind is Kind.UPSTREAM_ERROR and status >= 300:
            return Kind.CALLER_ERROR
        return kind

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and data.get("status") == "success"

    def balance_of(self, content_type: str, body: bytes) -> answers.Balance | None:
        data = answers.parse(content_type, body).data
        if not isinstance(data, dict):
            return None
        told = data["data"] if isinstance(data.get("data"), dict) else data
        return answers.balance(told.get("balance"), told.get("currency"))


def _sentence(data: Any) -> str:
    """The message where it is a text; a list or an object names fields of the request."""
    told = data
    for _ in range(_NESTED):
        if not isinstance(told, dict):
            break
        told = next((told[name] for name in ("message", "messege", "error") if told.get(name)), "")
    return " ".join(told.lower().split()) if isinstance(told, str) else ""


def _kind_said(text: str) -> Kind:
    """What a refusal says by its first sentence; the caller's fault unless that is a known one."""
    end = _END.search(text)
    first, rest = (text[: end.start()], text[end.end() :]) if end else (text, "")
    if _COMPLAINT.search(rest):
        return Kind.CALLER_ERROR
    return next((kind for kind, known in _KNOWN if known.fullmatch(first)), Kind.CALLER_ERROR)


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
    # /v6/images/fetch/{id}, or with a request_id in its body; a workflow's run.
    fetches=("/fetch$", "/fetch/*$", "GET /runs/*$"),
)
