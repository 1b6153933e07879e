"""Whose fault a call was: a provider's reading or our own denial, as an Outcome. Pure.

`kind` is the text of `keys.providers.base.Kind`. For a key_error the event's code is that
kind, so that health and the pages can tell an invalid key from an exhausted or limited one.
"""

from collections.abc import Mapping

from usage.events import Outcome

_OUTCOMES = {
    "ok": Outcome.OK,
    "caller_error": Outcome.CALLER_ERROR,
    "key_invalid": Outcome.KEY_ERROR,
    "key_exhausted": Outcome.KEY_ERROR,
    "key_limited": Outcome.KEY_ERROR,
    "rate_limited": Outcome.RATE_LIMITED,
    "upstream_error": Outcome.UPSTREAM_ERROR,
}
KEY_CODES = frozenset({"key_invalid", "key_exhausted", "key_limited"})

_WHOSE = {
    Outcome.OK: "",
    Outcome.DENIED: "Keydeck",
    Outcome.CALLER_ERROR: "caller",
    Outcome.KEY_ERROR: "provider key",
    Outcome.RATE_LIMITED: "provider key's quota",
    Outcome.UPSTREAM_ERROR: "provider",
    Outcome.NETWORK_ERROR: "network",
    Outcome.ABORTED: "",
}

# Whose an error is, in the order in which they are told. Denied and aborted calls are no errors.
FAULTS = {
    Outcome.CALLER_ERROR: "caller",
    Outcome.KEY_ERROR: "key",
    Outcome.RATE_LIMITED: "key",
    Outcome.UPSTREAM_ERROR: "provider",
    Outcome.NETWORK_ERROR: "between",
}

_REMEDIES = {
    Outcome.OK: "",
    Outcome.DENIED: "Keydeck refused this call before the provider was asked.",
    Outcome.CALLER_ERROR: "Correct the request's parameters; the provider's message names them.",
    Outcome.KEY_ERROR: "Check the provider key at the provider.",
    Outcome.RATE_LIMITED: "Send fewer calls at once and wait before trying again, or raise the "
    "plan at the provider.",
    Outcome.UPSTREAM_ERROR: "Nothing to mend here: try again later, and write to the provider's "
    "support if it lasts.",
    Outcome.NETWORK_ERROR: "The provider was not reached. Check its status page, this machine's "
    "network and the provider's base URL.",
    Outcome.ABORTED: "The caller hung up, or the process ended, before the answer was complete.",
}

_REMEDIES_BY_CODE = {
    "key_invalid": "Verify that the provider key is correct and not revoked, then rotate it.",
    "key_exhausted": "Add credits at the provider or upgrade its plan; the key itself works.",
    "key_limited": "The key works, but this feature needs a higher tier or another scope.",
    "rate_limited": "The app key's limit per minute was reached: wait, or raise the limit.",
    "concurrency_limited": "Too many calls of this app key at once: wait for some to end, or "
    "raise the limit.",
    "quota_exceeded": "The app key's limit per day or month was reached: wait, or raise the limit.",
    "no_usable_key": "The application has no working key of this provider: add or mend one.",
    "key_resting": "The provider told this key to wait, and there is no other: send fewer calls, "
    "add a key, or raise the plan at the provider.",
    "pool_full": "The provider keys had as many calls under way as they may have at once: wait "
    "for some to end, raise their limit, or add a key.",
    "sealed": "The vault is sealed: start Keydeck with its master key.",
    "key_revoked": "This app key was revoked: give the caller another one.",
    "key_expired": "This app key has expired: create or rotate one.",
    "key_rotated": "An old version of this app key whose overlap has ended: copy the new one.",
    "key_disabled": "This app key is disabled: enable it to let the caller in again.",
    "provider_not_allowed": "Allow this provider in the app key's policy.",
    "endpoint_not_allowed": "Allow this endpoint in the app key's policy, if it should be.",
    "method_not_allowed": "Allow this HTTP method in the app key's policy, if it should be.",
    "ip_not_allowed": "Add the caller's address to the app key's ranges, if it is yours.",
    "upstream_broke_off": "The connection broke after the call was sent: it may have been carried "
    "out, and cost something. Look before you send it again.",
    "endpoint_dangerous": "The provider's account is at stake: an owner can open this endpoint to "
    "the app key, beside its limits (Dangerous endpoints).",
    "upstream_timeout": "The provider did not answer in time: the call may have been carried out. "
    "Ask for less at once.",
    "unavailable": "Keydeck could not ask its database or write its spool: see /readyz.",
    "body_too_large": "Send a smaller body, or raise KEYDECK_BODY_LIMIT (KEYDECK_UPLOAD_LIMIT "
    "for files that are passed on as they come).",
    "bad_request": "The body is not what its Content-Type says, or the path is ambiguous.",
}


def outcome_of(kind: str, status: int) -> Outcome:
    """The outcome of an answer of the provider. An unknown kind falls back on the status."""
    known = _OUTCOMES.get(kind)
    if known is not None:
        return known
    if status >= 500:
        return Outcome.UPSTREAM_ERROR
    if status == 429:
        return Outcome.RATE_LIMITED
    if status in (401, 402, 403):
        return Outcome.KEY_ERROR
    if status >= 400:
        return Outcome.CALLER_ERROR
    return Outcome.OK


def code_of(kind: str, status: int, code: str) -> str:
    """The event's code beside that outcome: the kind of a key error, else the provider's code."""
    if kind in KEY_CODES:
        return kind
    if kind == "unknown" and status >= 400:
        # Not the provider's own words (a page of HTML in between): no evidence about the key.
        return f"http_{status}"
    return code[:60]


def kind_of(outcome: Outcome, code: str) -> str:
    """The kind an event was made from, for `keys.health`; "unknown" where none applies."""
    if outcome is Outcome.KEY_ERROR:
        return code if code in KEY_CODES else "unknown"
    if outcome in (Outcome.DENIED, Outcome.NETWORK_ERROR, Outcome.ABORTED):
        return "unknown"
    return outcome.value


def whose(outcome: Outcome) -> str:
    """Whose the fault is, in a word; empty where there is none."""
    return _WHOSE[outcome]


def faults(by_outcome: Mapping[str, int]) -> dict[str, int]:
    """Errors by whose they are; all four are named."""
    found = dict.fromkeys(FAULTS.values(), 0)
    for outcome, whose_it_is in FAULTS.items():
        found[whose_it_is] += by_outcome.get(outcome, 0)
    return found


def remedy(outcome: Outcome, code: str = "") -> str:
    """What a person can do about it; empty for a call that went well."""
    if outcome in (Outcome.DENIED, Outcome.KEY_ERROR, Outcome.NETWORK_ERROR):
        return _REMEDIES_BY_CODE.get(code, _REMEDIES[outcome])
    return _REMEDIES[outcome]
