"""Errors that Keydeck itself answers: status, code and the one body every client understands.

The bodies and codes are interface (DESIGN section 7); users' scripts match on them.
"""

import math
from dataclasses import dataclass

import orjson

from usage.events import Outcome
from usage.limits import FREE, Ruling
from usage.limits.windows import CONCURRENCY_RETRY


@dataclass(eq=False)
class Denial(Exception):
    """A call that Keydeck refuses. `reason` is what our record says where it differs."""

    status: int
    code: str
    message: str
    reason: str = ""
    retry_after: float = 0.0
    ruling: Ruling = FREE

    @property
    def recorded(self) -> str:
        return self.reason or self.code


_TABLE = {
    "key_required": (401, "API key required"),
    "invalid_key": (401, "Invalid API key"),
    "provider_not_allowed": (403, "This app key may not use this provider"),
    "endpoint_not_allowed": (403, "This app key may not use this endpoint"),
    "ip_not_allowed": (403, "This app key may not be used from this address"),
    "origin_not_allowed": (403, "Pages of this origin may not call the gateway"),
    "key_disabled": (403, "This app key is disabled"),
    "unknown_provider": (404, "Unknown provider"),
    "body_too_large": (413, "The request body is too large"),
    "bad_request": (400, "Bad request"),
    "rate_limited": (429, "Rate limit of this app key exceeded"),
    "concurrency_limited": (429, "Too many calls of this app key at once"),
    "quota_exceeded": (429, "Quota of this app key exceeded"),
    "upstream_unreachable": (502, "The provider could not be reached"),
    "no_usable_key": (503, "No usable key of this provider"),
    "sealed": (503, "The vault is sealed"),
    "unavailable": (503, "Keydeck cannot take this call now"),
    "upstream_timeout": (504, "The provider did not answer in time"),
}
_QUOTAS = {
    "day": "Daily quota of this app key exceeded",
    "month": "Monthly quota of this app key exceeded",
}
UNREADABLE = "unreadable_answer"
BROKE_OFF = "upstream_broke_off"
_NETWORK = frozenset({"upstream_unreachable", "upstream_timeout"})
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


def denial(code: str, message: str = "", *, reason: str = "") -> Denial:
    """The denial of that code, with the table's message unless a better one is given."""
    status, standard = _TABLE[code]
    return Denial(status, code, message or standard, reason)


def limited(ruling: Ruling) -> Denial:
    status, message = _TABLE[ruling.code]
    message = _QUOTAS.get(ruling.window, message)
    wait = max(ruling.retry_after, 0.001)
    return Denial(status, ruling.code, message, "", wait, ruling)


def resting(seconds: float) -> Denial:
    """For a provider whose every key was told to wait so long."""
    message = "The provider limits these calls for a while and was not asked"
    return Denial(429, "rate_limited", message, "key_resting", max(seconds, 0.001))


def pool_full() -> Denial:
    """For provider keys that have all the calls under way which they may have at once."""
    message = "Too many calls of this provider's keys at once"
    return Denial(429, "concurrency_limited", message, "pool_full", CONCURRENCY_RETRY)


def throttled(retry_after: float) -> Denial:
    """For networks that call too often with what nobody here knows."""
    message = "Too many calls with unknown keys from your network"
    return Denial(429, "rate_limited", message, "", retry_after)


class NotConnected(Denial):
    """The provider was not reached: nothing was sent, so that another try does no harm."""


def not_connected() -> Denial:
    status, message = _TABLE["upstream_unreachable"]
    return NotConnected(status, "upstream_unreachable", message)


def broke_off() -> Denial:
    """For a connection that broke after the request, or a part of it, was sent."""
    message = "The connection to the provider broke: the call may have been carried out"
    return denial("upstream_unreachable", message, reason=BROKE_OFF)


def unreadable() -> Denial:
    """For an answer that is packed in another way than announced, or in one we can't undo."""
    message = "The provider's answer is packed in an unreadable way"
    return denial("upstream_unreachable", message, reason=UNREADABLE)


def no_answer() -> Denial:
    """For a status that ends no request (1xx), or is none of HTTP's and can't be passed on."""
    message = "The provider's answer has an impossible status"
    return denial("upstream_unreachable", message, reason=UNREADABLE)


def outcome(refused: Denial, *, asked: bool) -> Outcome:
    """How a refused call ended; `asked`: the provider was, so that it is no denial any more."""
    if not asked:
        return Outcome.DENIED
    if refused.reason == UNREADABLE:
        return Outcome.UPSTREAM_ERROR
    # What is left are faults and limits of ours in the middle of a call: nobody's error there.
    return Outcome.NETWORK_ERROR if refused.code in _NETWORK else Outcome.ABORTED


def body(refused: Denial, request_id: str) -> bytes:
    """The JSON body: ModelsLab's members at the top, OpenAI's and Anthropic's in `error`."""
    content: dict[str, object] = {
        "status": "error",
        "message": refused.message,
        "request_id": request_id,
        "error": {
            "message": refused.message,
            "type": _TYPES.get(refused.status, "api_error"),
            "code": refused.code,
        },
    }
    if refused.retry_after:
        content["retry_after"] = math.ceil(refused.retry_after)
    return orjson.dumps(content)


def headers(refused: Denial) -> list[tuple[str, str]]:
    """Retry-After and RateLimit-* of a 429, in whole seconds as clients expect them."""
    found: list[tuple[str, str]] = []
    if refused.retry_after:
        found.append(("retry-after", str(math.ceil(refused.retry_after))))
    return found + rate_headers(refused.ruling)


def rate_headers(ruling: Ruling) -> list[tuple[str, str]]:
    """What the tightest limit leaves; nothing where there is none."""
    if not ruling.limit:
        return []
    return [
        ("ratelimit-limit", str(ruling.limit)),
        ("ratelimit-remaining", str(max(ruling.remaining, 0))),
        ("ratelimit-reset", str(math.ceil(ruling.reset))),
    ]
