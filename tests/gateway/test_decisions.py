"""The chain of decisions that explains a call: it ends where the call was refused, and says why."""

from dataclasses import replace

import pytest

from usage.decisions import Decision, Recorded, chain
from usage.events import Outcome, Source
from usage.gateway.errors import _TABLE

NAMES = {"app": "Web", "one": "Main", "two": "Spare"}
CALL = Recorded(
    source=Source.GATEWAY,
    caller="",
    app_key="app",
    app_key_version=2,
    provider="modelslab",
    provider_key="one",
    provider_key_version=1,
    outcome=Outcome.OK,
    code="",
    message="",
    status=200,
    latency_ms=12.3,
    tried=[],
)


def steps(call: Recorded) -> list[tuple[str, bool]]:
    return [(made.step, made.passed) for made in chain(call, NAMES)]


def denied(code: str) -> Recorded:
    return replace(CALL, outcome=Outcome.DENIED, code=code, message="No", provider_key="", status=0)


def test_a_call_that_went_well_passed_everywhere() -> None:
    assert chain(CALL, NAMES) == [
        Decision("App key", True, "found: Web, version 2"),
        Decision("State", True, "in force"),
        Decision("Policy", True, "provider, method, endpoint and address are allowed"),
        Decision("Limits", True, "within the app key's limits"),
        Decision("Provider key Main, version 1", True, "chosen and put in"),
        Decision("modelslab", True, "answered HTTP 200 in 12 ms"),
    ]


@pytest.mark.parametrize(
    ("code", "last", "passed"),
    [
        ("key_revoked", "State", ["App key"]),
        ("key_expired", "State", ["App key"]),
        ("key_disabled", "State", ["App key"]),
        ("ip_not_allowed", "Policy", ["App key", "State"]),
        ("quota_exceeded", "Limits", ["App key", "State", "Policy"]),
        ("key_resting", "Provider keys", ["App key", "State", "Policy", "Limits"]),
        ("no_usable_key", "Provider keys", ["App key", "State", "Policy", "Limits"]),
        ("bad_request", "Request", ["App key"]),
        ("unknown_provider", "Request", ["App key"]),
    ],
)
def test_a_refusal_ends_the_chain_and_what_came_before_was_passed(
    code: str, last: str, passed: list[str]
) -> None:
    assert steps(denied(code)) == [*((step, True) for step in passed), (last, False)]


@pytest.mark.parametrize("code", sorted(_TABLE))
def test_every_refusal_says_why_in_one_last_step(code: str) -> None:
    *before, last = chain(denied(code), NAMES)
    assert all(made.passed for made in before)
    assert not last.passed
    assert last.text.startswith("No. ") and len(last.text) > 10


def test_each_provider_key_tried_is_a_step() -> None:
    attempt = {
        "provider_key": "two",
        "provider_key_version": 3,
        "outcome": "rate_limited",
        "code": "",
        "status": 429,
    }
    found = chain(replace(CALL, tried=[attempt]), NAMES)[-3]
    text = "HTTP 429, rate_limited: the next key was tried"
    assert found == Decision("Provider key Spare, version 3", False, text)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in (Outcome.OK, Outcome.DENIED)])
def test_the_providers_part_is_the_last_word(outcome: Outcome) -> None:
    assert steps(replace(CALL, outcome=outcome, status=500))[-1] == ("modelslab", False)


def test_a_wrappers_call_has_a_caller_and_no_limits() -> None:
    call = replace(CALL, source=Source.WRAPPER, app_key="", caller="nightly")
    assert [step for step, _ in steps(call)][:3] == [
        "Caller",
        "Policy",
        "Provider key Main, version 1",
    ]
