"""What stored calls do to the health of the key that they used."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keys import health
from keys.models import Check, ProviderKey
from keys.states import KeyState, Stage, Verdict
from tests.factories import add_version
from tests.health.conftest import START, after, timeline

See = Callable[..., str | None]
Hear = Callable[..., None]
pytestmark = pytest.mark.django_db


def test_a_success_counts_as_a_check(key: ProviderKey, see: See, hear: Hear) -> None:
    see(Verdict.LIVE, 0)
    hear("ok", 200)
    assert (key.checked_at, key.evidence["via"]) == (after(200), "traffic")
    assert key.next_check_at is not None
    assert after(470) <= key.next_check_at <= after(500)
    assert Check.objects.filter(key=key).count() == 1  # no line for each success


def test_many_successes_cost_a_read_each(key: ProviderKey, see: See, hear: Hear) -> None:
    see(Verdict.LIVE, 0)
    hear("ok", 100)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        health.traffic(key.pk, 1, "ok", 200, "", "", after(101))
    assert len(queries) == 1


def test_the_first_success_of_an_unchecked_key_makes_it_live(key: ProviderKey, hear: Hear) -> None:
    hear("ok", 0)
    assert (key.verdict, timeline(key)) == ("live", [("traffic", "live", "live")])


def test_a_refusal_makes_suspect_and_the_probe_due_now(
    key: ProviderKey, see: See, hear: Hear
) -> None:
    see(Verdict.LIVE, 0)
    hear("key_invalid", 100, message="Invalid API key")
    assert (key.verdict, key.suspect, key.refused_at) == ("live", True, after(100))
    assert timeline(key)[1:] == [("traffic", "dead", "")]


def test_no_number_of_refused_calls_makes_a_key_dead(
    key: ProviderKey, see: See, hear: Hear
) -> None:
    see(Verdict.LIVE, 0)
    for number in range(100, 2000, 50):
        hear("key_invalid", number)
    assert (key.verdict, key.suspect) == ("live", True)
    assert len(timeline(key)) == 2
    see(Verdict.DEAD, 2000)
    assert key.verdict == "dead"  # the probe confirms what calls saw a minute ago


def test_a_success_takes_the_suspicion_away(key: ProviderKey, see: See, hear: Hear) -> None:
    see(Verdict.LIVE, 0)
    hear("key_invalid", 100)
    hear("ok", 99)  # it ended before the refusal
    assert key.suspect
    hear("ok", 101)
    assert (key.verdict, key.suspect) == ("live", False)


def test_a_dead_key_that_works_again_is_live(key: ProviderKey, see: See, hear: Hear) -> None:
    see(Verdict.DEAD, 0)
    hear("key_invalid", 10)
    hear("ok", 20)
    assert key.verdict == "live"


@pytest.mark.parametrize(
    ("kind", "verdict"), [("key_exhausted", "exhausted"), ("key_limited", "limited")]
)
def test_exhausted_and_limited_move_at_once(
    key: ProviderKey, see: See, hear: Hear, kind: str, verdict: str
) -> None:
    see(Verdict.LIVE, 0)
    hear(kind, 10)
    assert key.verdict == verdict
    hear(kind, 20)
    assert len(timeline(key)) == 2


def test_an_exhausted_key_with_credits_again_is_live_at_once(
    key: ProviderKey, see: See, hear: Hear
) -> None:
    see(Verdict.EXHAUSTED, 0)
    hear("ok", 1)
    assert key.verdict == "live"


def test_a_plan_that_lacks_one_feature_does_not_flip_the_verdict_with_every_call(
    key: ProviderKey, see: See, hear: Hear
) -> None:
    see(Verdict.LIVE, 0)
    for number in range(10, 50, 2):
        hear("key_limited", number)
        hear("ok", number + 1)
    assert key.verdict == "limited"
    assert len(timeline(key)) == 2
    hear("ok", 200)
    assert key.verdict == "live"


@pytest.mark.parametrize(
    "kind", ["caller_error", "rate_limited", "upstream_error", "unknown", "no such kind"]
)
def test_what_says_nothing_of_the_key_changes_nothing(
    key: ProviderKey, see: See, hear: Hear, kind: str
) -> None:
    see(Verdict.LIVE, 0)
    row = ProviderKey.objects.filter(pk=key.pk).values().get()
    hear(kind, 100)
    assert ProviderKey.objects.filter(pk=key.pk).values().get() == row


@pytest.mark.parametrize("kind", ["ok", "key_invalid", "key_exhausted"])
def test_calls_of_the_previous_secret_say_nothing_of_the_current_one(
    key: ProviderKey, see: See, hear: Hear, kind: str
) -> None:
    see(Verdict.LIVE, 0)
    key.versions.update(stage=Stage.PREVIOUS)
    add_version(key, "the new one", number=2)
    hear(kind, 100, version=1)
    assert (key.verdict, key.suspect, key.checked_at) == ("live", False, START)


def test_calls_stored_late_do_not_overrule_newer_evidence(
    key: ProviderKey, see: See, hear: Hear
) -> None:
    see(Verdict.LIVE, 1000)
    hear("key_invalid", 500)
    hear("key_exhausted", 500)
    assert (key.verdict, key.suspect) == ("live", False)


def test_a_revoked_key_is_judged_by_probes_alone(key: ProviderKey, see: See, hear: Hear) -> None:
    see(Verdict.LIVE, 0)
    ProviderKey.objects.filter(pk=key.pk).update(state=KeyState.REVOKED)
    hear("key_invalid", 10)
    assert not key.suspect


def test_a_key_without_a_free_request_stays_suspect(key: ProviderKey, see: See, hear: Hear) -> None:
    ProviderKey.objects.filter(pk=key.pk).update(provider="unprobed", next_check_at=None)
    hear("ok", 0)
    hear("key_invalid", 10)
    hear("key_invalid", 1000)
    assert (key.verdict, key.suspect, key.next_check_at) == ("live", True, None)


def test_a_key_that_is_gone_is_no_error() -> None:
    health.traffic("nobody", 1, "ok", 200, "", "", START)
