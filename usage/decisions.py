"""Why a call ended as it did: the decisions made about it, one after the other. Pure.

Read off the record alone. A refusal is the last of its chain: what would have come after it was
not asked any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from usage.classify import remedy
from usage.events import Outcome, Source

_STATE = frozenset({"key_revoked", "key_expired", "key_rotated", "key_disabled"})
_POLICY = frozenset(
    {"provider_not_allowed", "ip_not_allowed", "endpoint_not_allowed", "method_not_allowed"}
    | {"endpoint_dangerous"}
)
_LIMITS = frozenset({"rate_limited", "concurrency_limited", "quota_exceeded"})
_POOL = frozenset({"no_usable_key", "key_resting", "pool_full", "sealed"})
_STEPS = (
    ("State", _STATE, "in force"),
    ("Policy", _POLICY, "provider, method, endpoint and address are allowed"),
    ("Limits", _LIMITS, "within the app key's limits"),
)


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: what was looked at, whether the call went on, and why."""

    step: str
    passed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the chain is read off; ids are public ids, empty for none."""

    source: str
    caller: str
    app_key: str
    app_key_version: int
    provider: str
    provider_key: str
    provider_key_version: int
    outcome: Outcome
    code: str
    message: str
    status: int
    latency_ms: float
    tried: list[dict[str, Any]]


def chain(call: Recorded, names: Mapping[str, str]) -> list[Decision]:
    """`names`: the keys' by id, the provider's by its slug; what is gone goes by those."""
    found = [_asker(call, names)]
    denied = call.outcome is Outcome.DENIED
    for step, codes, passed in _STEPS[1:2] if call.source is Source.WRAPPER else _STEPS:
        if denied and call.code in codes:
            return [*found, Decision(step, False, _why(call))]
        if not denied or call.code in _after(step):
            found.append(Decision(step, True, passed))
    if denied:
        step = "Keydeck" if call.code == "unavailable" else "Request"
        step = "Provider keys" if call.code in _POOL else step
        return [*found, Decision(step, False, _why(call))]
    for attempt in call.tried:
        key = names.get(attempt["provider_key"], attempt["provider_key"])
        version = attempt["provider_key_version"]
        said = f"HTTP {attempt['status']}" if attempt["status"] else "no connection"
        text = f"{said}, {attempt['code'] or attempt['outcome']}: the next key was tried"
        found.append(Decision(f"Provider key {key}, version {version}", False, text))
    if call.provider_key:
        key = names.get(call.provider_key, call.provider_key)
        step = f"Provider key {key}, version {call.provider_key_version}"
        found.append(Decision(step, True, "chosen and put in"))
    return [*found, _end(call, names)]


def _asker(call: Recorded, names: Mapping[str, str]) -> Decision:
    if call.source is Source.WRAPPER:
        return Decision("Caller", True, call.caller or "Keydeck's own code")
    name = names.get(call.app_key, call.app_key)
    return Decision("App key", True, f"found: {name}, version {call.app_key_version}")


def _after(step: str) -> frozenset[str]:
    """The refusals that only come when `step` was passed."""
    at = [name for name, *_ in _STEPS].index(step)
    return _POOL.union(*(codes for _, codes, _ in _STEPS[at + 1 :]))


def _why(call: Recorded) -> str:
    said = call.message.rstrip(". ")
    return f"{said}. {remedy(call.outcome, call.code)}".lstrip(". ")


def _end(call: Recorded, names: Mapping[str, str]) -> Decision:
    provider = names.get(call.provider, call.provider)
    if call.outcome is Outcome.ABORTED:
        return Decision(provider, False, remedy(call.outcome, call.code))
    if call.outcome is Outcome.NETWORK_ERROR:
        return Decision(provider, False, _why(call))
    said = f"answered HTTP {call.status} in {call.latency_ms:.0f} ms"
    if call.outcome is Outcome.OK:
        return Decision(provider, True, said)
    return Decision(provider, False, f"{said}: {_why(call)}")
