"""What stored calls say of the provider key they used."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from keys import changes, health
from keys.models import ProviderKey
from keys.states import Verdict
from tests.factories import ProviderKeyFactory
from tests.ledger.conftest import START, make_event
from usage.events import Attempt, Outcome
from usage.ingest import drain
from usage.models import Call
from usage.spool import Spool

pytestmark = pytest.mark.django_db
Traffic = Callable[..., ProviderKey]


@pytest.fixture
def traffic(new_spool: Callable[..., Spool]) -> Traffic:
    """Stores calls of a live key, told by (seconds, outcome, code), in one batch."""
    spool = new_spool()
    key = ProviderKeyFactory(verdict=Verdict.LIVE)

    def store(*calls: tuple[int, Outcome, str], version: int = 1) -> ProviderKey:
        for seconds, outcome, code in calls:
            event = make_event(
                provider_key=key.id,
                provider_key_version=version,
                started_at=START + seconds * 1000,
                outcome=outcome,
                code=code,
                status=200 if outcome is Outcome.OK else 401,
            )
            spool.end(spool.begin(event), event)
        drain(spool.directory)
        key.refresh_from_db()
        return key

    return store


def test_a_success_counts_as_a_check(traffic: Traffic) -> None:
    key = traffic((0, Outcome.OK, ""))
    assert key.checked_at is not None
    assert key.last_used_at == datetime.fromtimestamp(START / 1000, UTC)
    assert not key.suspect


def test_a_refusal_makes_the_key_suspect(traffic: Traffic) -> None:
    assert traffic((0, Outcome.OK, ""), (1, Outcome.KEY_ERROR, "key_invalid")).suspect


def test_a_later_success_of_the_batch_clears_an_earlier_refusal(traffic: Traffic) -> None:
    assert not traffic((0, Outcome.KEY_ERROR, "key_invalid"), (1, Outcome.OK, "")).suspect


def test_a_refusal_after_the_last_success_counts_in_any_order_of_ending(traffic: Traffic) -> None:
    key = traffic(
        (9, Outcome.KEY_ERROR, "key_invalid"),
        (0, Outcome.KEY_ERROR, "key_invalid"),
        (5, Outcome.OK, ""),
    )
    assert key.suspect


def test_exhausted_moves_the_verdict_at_once(traffic: Traffic) -> None:
    assert traffic((0, Outcome.KEY_ERROR, "key_exhausted")).verdict == Verdict.EXHAUSTED


def test_a_batch_tells_other_processes_of_moved_verdicts_in_its_transaction(
    traffic: Traffic,
) -> None:
    before = changes.current()
    traffic((0, Outcome.OK, ""))
    assert changes.current() == before
    traffic((1, Outcome.KEY_ERROR, "key_exhausted"))
    assert changes.current() == before + 1


def test_an_earlier_call_that_comes_late_does_not_turn_the_last_use_back(traffic: Traffic) -> None:
    latest = traffic((60, Outcome.OK, "")).last_used_at
    assert traffic((0, Outcome.OK, "")).last_used_at == latest


@pytest.mark.parametrize(
    "outcome",
    [o for o in Outcome if o not in (Outcome.OK, Outcome.KEY_ERROR)],
)
def test_what_is_not_the_keys_fault_says_nothing_of_it(traffic: Traffic, outcome: Outcome) -> None:
    key = traffic((0, outcome, "whatever"))
    assert key.verdict == Verdict.LIVE
    assert key.checked_at is None
    assert key.last_used_at is not None


def test_a_fault_in_judging_keeps_no_call_from_being_stored(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*args: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(health, "traffic", fault)
    traffic((0, Outcome.OK, ""))
    assert Call.objects.count() == 1
    assert "could not be judged" in caplog.text


def test_a_key_that_was_tried_before_another_is_told_of_too(
    new_spool: Callable[..., Spool],
) -> None:
    first, second = (ProviderKeyFactory(verdict=Verdict.LIVE) for _ in range(2))
    refused = Attempt(
        provider_key=first.id,
        provider_key_version=1,
        outcome=Outcome.KEY_ERROR,
        code="key_exhausted",
        status=402,
    )
    event = make_event(provider_key=second.id, provider_key_version=1, tried=(refused,))
    spool = new_spool()
    spool.end(spool.begin(event), event)
    drain(spool.directory)
    for key in (first, second):
        key.refresh_from_db()
    assert (first.verdict, second.verdict) == (Verdict.EXHAUSTED, Verdict.LIVE)
    assert Call.objects.get().attempts_before[0]["code"] == "key_exhausted"
