"""Whose fault a call was, in DESIGN's words, and what to do about it."""

import pytest

from keys.providers.base import Kind
from usage import classify
from usage.events import ERRORS, Outcome
from usage.gateway import errors


@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        (Kind.OK, 200, Outcome.OK),
        (Kind.CALLER_ERROR, 422, Outcome.CALLER_ERROR),
        (Kind.KEY_INVALID, 401, Outcome.KEY_ERROR),
        (Kind.KEY_EXHAUSTED, 200, Outcome.KEY_ERROR),
        (Kind.KEY_LIMITED, 403, Outcome.KEY_ERROR),
        (Kind.RATE_LIMITED, 429, Outcome.RATE_LIMITED),
        (Kind.UPSTREAM_ERROR, 200, Outcome.UPSTREAM_ERROR),
        (Kind.UNKNOWN, 307, Outcome.OK),
        (Kind.UNKNOWN, 401, Outcome.KEY_ERROR),
        (Kind.UNKNOWN, 404, Outcome.CALLER_ERROR),
        (Kind.UNKNOWN, 502, Outcome.UPSTREAM_ERROR),
    ],
)
def test_every_kind_has_its_outcome(kind: Kind, status: int, outcome: Outcome) -> None:
    assert classify.outcome_of(kind, status) is outcome


@pytest.mark.parametrize("kind", list(Kind))
def test_a_kind_survives_the_record(kind: Kind) -> None:
    status = {"key_limited": 403, "key_invalid": 401, "key_exhausted": 402}.get(kind, 200)
    outcome = classify.outcome_of(kind, status)
    code = classify.code_of(kind, status, "theirs")
    assert classify.kind_of(outcome, code) in (kind, "ok" if kind is Kind.UNKNOWN else kind)


def test_a_refusal_that_is_not_the_providers_is_no_evidence() -> None:
    code = classify.code_of("unknown", 403, "")
    assert code == "http_403"
    assert classify.kind_of(Outcome.KEY_ERROR, code) == "unknown"


def test_every_error_has_a_remedy_and_an_owner() -> None:
    for outcome in ERRORS | {Outcome.DENIED}:
        assert classify.remedy(outcome).endswith(".")
        assert classify.whose(outcome)
    assert classify.remedy(Outcome.OK) == classify.whose(Outcome.OK) == ""


def test_every_denial_of_a_known_key_has_a_remedy_of_its_own() -> None:
    strangers = {"key_required", "invalid_key", "unknown_provider", "origin_not_allowed"}
    general = classify.remedy(Outcome.DENIED)
    for code in (errors._TABLE.keys() - strangers) | {"key_revoked", "key_expired", "key_rotated"}:
        if not code.startswith("upstream_"):
            assert classify.remedy(Outcome.DENIED, code) != general, code


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refusal_nobody_can_read_is_a_key_error(status: int) -> None:
    assert classify.outcome_of("unknown", status) is Outcome.KEY_ERROR


@pytest.mark.parametrize("outcome", [Outcome.DENIED, Outcome.NETWORK_ERROR, Outcome.ABORTED])
def test_what_the_provider_did_not_say_is_no_evidence(outcome: Outcome) -> None:
    assert classify.kind_of(outcome, "key_invalid") == "unknown"
