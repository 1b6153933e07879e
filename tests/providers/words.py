"""What each provider answers to its probe, in its own words, and what that says of the key.

Where a row has no other source: what its public documentation shows. TH: as TruffleHog's
detector of this provider decides. SDK: what its own client expects.
"""

from typing import Any, NamedTuple

from keys.states import Verdict

# What a live key gets, and what a bogus one gets, in each provider's own words.
GOOD = {
    "modelslab": {"status": "success", "data": {"balance": 43.6, "currency": "USD"}},
    "openai": {"object": "list", "data": [{"id": "gpt-4o"}]},
    "anthropic": {"data": [{"id": "claude-3-5-haiku-latest"}], "has_more": False},
    "openrouter": {"data": {"label": "sk-or-…", "usage": 1.5, "limit": None}},
    "gemini": {"models": [{"name": "models/gemini-2.0-flash"}]},
    "groq": {"object": "list", "data": [{"id": "llama-3.1-8b-instant"}]},
    "mistral": {"object": "list", "data": [{"id": "mistral-small-latest"}]},
    "elevenlabs": {"user_id": "u1", "subscription": {"tier": "free"}},
    "stripe": {"object": "balance", "available": []},
    "github": {"login": "ada", "id": 1},
    "deepseek": {
        "is_available": True,
        "balance_infos": [{"currency": "USD", "total_balance": "11.50"}],
    },
    "xai": {"redacted_api_key": "xai-…abcd", "api_key_id": "k1", "api_key_disabled": False},
    "cohere": {"valid": True, "organization_id": "o1"},
    "huggingface": {"type": "user", "name": "ada"},
    "replicate": {"type": "user", "username": "ada"},
    "deepgram": {"projects": [{"project_id": "p1", "name": "Ada"}]},
    "assemblyai": {"page_details": {"limit": 1}, "transcripts": []},
    "slack": {"ok": True, "team_id": "T1", "user_id": "U1"},
    "sendgrid": {"scopes": ["mail.send"]},
    "notion": {"object": "user", "id": "u1", "type": "bot"},
    "custom": {"id": 7, "name": "Ada"},
}
BOGUS = {
    "modelslab": (401, {"status": "error", "message": "Invalid API key"}),
    "openai": (
        401,
        {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}},
    ),
    "anthropic": (
        401,
        {
            "type": "error",
            "error": {"type": "authentication_error", "message": "invalid x-api-key"},
        },
    ),
    "openrouter": (401, {"error": {"message": "User not found.", "code": 401}}),
    "gemini": (
        400,
        {
            "error": {
                "code": 400,
                "message": "API key not valid. Please pass a valid API key.",
                "status": "INVALID_ARGUMENT",
                "details": [{"reason": "API_KEY_INVALID", "domain": "googleapis.com"}],
            }
        },
    ),
    "groq": (401, {"error": {"message": "Invalid API Key", "code": "invalid_api_key"}}),
    "mistral": (401, {"message": "Unauthorized", "request_id": "r1"}),
    "elevenlabs": (401, {"detail": {"status": "invalid_api_key", "message": "Invalid API key"}}),
    "stripe": (
        401,
        {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_…"}},
    ),
    "github": (401, {"message": "Bad credentials", "status": "401"}),
    "deepseek": (
        401,
        {"error": {"message": "Authentication Fails", "type": "authentication_error"}},
    ),
    "xai": (
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: x"},
    ),
    "cohere": (401, {"message": "invalid api token"}),
    "huggingface": (401, {"error": "Invalid credentials in Authorization header"}),
    "replicate": (
        401,
        {
            "title": "Unauthenticated",
            "detail": "You did not pass a valid authentication token",
            "status": 401,
        },
    ),
    "deepgram": (401, {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}),
    "assemblyai": (401, {"error": "Authentication error, API token missing/invalid"}),
    "slack": (200, {"ok": False, "error": "invalid_auth"}),
    "sendgrid": (401, {"errors": [{"field": None, "message": "authorization required"}]}),
    "notion": (
        401,
        {"object": "error", "status": 401, "code": "unauthorized", "message": "Invalid token."},
    ),
    "custom": (401, {"message": "Bad credentials"}),
}


class Said(NamedTuple):
    """An answer, the verdict that is right for it, and where that is known from."""

    status: int
    body: Any
    verdict: Verdict
    source: str = "HTTP"


LIVE, DEAD, LIMITED = Verdict.LIVE, Verdict.DEAD, Verdict.LIMITED
EXHAUSTED, UNKNOWN = Verdict.EXHAUSTED, Verdict.UNKNOWN
ERROR = {"status": "error", "message": "Something else"}

# What any provider may say, and what its status alone means.
ANY = {
    "200 error body": Said(200, ERROR, UNKNOWN),
    "400": Said(400, {"error": {"message": "Bad request"}}, UNKNOWN),
    "401": Said(401, {"error": {"message": "Unauthorized"}}, DEAD),
    "402": Said(402, {"error": {"message": "Payment required"}}, EXHAUSTED),
    "403": Said(403, {"error": {"message": "Forbidden"}}, LIMITED),
    "404": Said(404, {"error": {"message": "Not found"}}, UNKNOWN),
    "429": Said(429, {"error": {"message": "Too many requests"}}, UNKNOWN),
    "500": Said(500, {"error": {"message": "Internal error"}}, UNKNOWN),
}


def _detail(status: str) -> dict[str, Any]:
    return {"detail": {"status": status, "message": "…"}}


# Where a provider means something else, or says it otherwise.
OWN: dict[str, dict[str, Said]] = {
    "modelslab": {
        "200 error body": Said(200, {"status": "error", "message": "Invalid API key"}, DEAD),
        "400": Said(400, {"status": "error", "messege": "Invalid Api Key"}, DEAD),
        "402": Said(402, {"status": "error", "message": "Insufficient credits."}, EXHAUSTED),
        "403": Said(403, {"status": "error", "message": "Feature not available"}, LIMITED),
        "429": Said(429, {"status": "error", "message": "Rate limit exceeded."}, UNKNOWN),
    },
    "openai": {
        "401": Said(401, {"error": {"code": "ip_not_authorized"}}, UNKNOWN),
        "403": Said(403, {"error": {"code": "unsupported_country_region_territory"}}, UNKNOWN),
        "429": Said(429, {"error": {"code": "insufficient_quota"}}, EXHAUSTED),
    },
    "anthropic": {
        "400": Said(
            400,
            {"error": {"message": "Your credit balance is too low to access the API."}},
            EXHAUSTED,
        ),
        "404": Said(404, {"type": "error", "error": {"type": "not_found_error"}}, DEAD, "TH"),
    },
    "openrouter": {
        "200 error body": Said(200, {"error": {"code": 402, "message": "No credits"}}, EXHAUSTED),
        "403": Said(403, {"error": {"code": 403, "message": "Key limit exceeded"}}, EXHAUSTED),
    },
    "gemini": {
        "401": Said(401, {"error": {"status": "UNAUTHENTICATED"}}, UNKNOWN),
        "403": Said(403, {"error": {"status": "PERMISSION_DENIED"}}, LIMITED, "TH"),
    },
    "groq": {"400": Said(400, {"error": {"code": "organization_restricted"}}, LIMITED)},
    "elevenlabs": {
        "400": Said(400, _detail("invalid_api_key"), DEAD, "TH"),
        "401": Said(401, _detail("missing_permissions"), LIMITED),
    },
    "stripe": {
        "402": Said(402, {"error": {"type": "card_error"}}, UNKNOWN),
        "403": Said(403, {"error": {"code": "more_permissions_required"}}, LIMITED, "TH"),
    },
    "github": {
        "401": Said(401, {"message": "Requires authentication"}, UNKNOWN),
        "403": Said(403, {"message": "API rate limit exceeded for user ID 1."}, UNKNOWN),
    },
    "deepseek": {
        "200 error body": Said(200, {"is_available": False, "balance_infos": []}, EXHAUSTED),
        "402": Said(402, {"error": {"message": "Insufficient Balance"}}, EXHAUSTED),
    },
    "xai": {
        "200 error body": Said(200, {"api_key_id": "k1", "api_key_disabled": True}, LIMITED),
        "400": Said(400, {"error": "Incorrect API key provided: x"}, DEAD, "TH"),
    },
    "cohere": {"200 error body": Said(200, {"valid": False}, DEAD, "SDK")},
    "replicate": {
        "402": Said(402, {"title": "Insufficient credit", "status": 402}, EXHAUSTED),
    },
    "slack": {
        "200 error body": Said(200, {"ok": False, "error": "token_revoked"}, DEAD, "TH"),
        "401": Said(401, {"error": {"message": "Unauthorized"}}, UNKNOWN, "TH: only its words"),
        "402": Said(402, {"error": {"message": "Payment required"}}, UNKNOWN, "TH: only its words"),
        "403": Said(403, {"error": {"message": "Forbidden"}}, UNKNOWN, "TH: only its words"),
    },
    "sendgrid": {"403": Said(403, {"errors": [{"message": "access forbidden"}]}, LIMITED, "TH")},
    "notion": {"403": Said(403, {"code": "restricted_resource"}, LIMITED, "TH")},
    "custom": {"200 error body": Said(200, {"ok": False}, UNKNOWN)},
}  # fmt: skip


def said_by(family: str) -> dict[str, Said]:
    """All that a provider may say with a body, by the kind of answer."""
    status, body = BOGUS[family]
    own = {"200 good": Said(200, GOOD[family], LIVE), "bogus key": Said(status, body, DEAD)}
    return {**own, **ANY, **OWN.get(family, {})}
