"""What probes do to a key's verdict, its timeline and the time of its next check."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from keys import changes, health
from keys.evidence import Evidence
from keys.models import Check, Incident, ProviderKey
from keys.states import KeyState, Stage, Verdict
from keys.timeline import LIMIT, MOVES
from tests.factories import add_version
from tests.health.conftest import START, after, timeline

See = Callable[..., str | None]
pytestmark = pytest.mark.django_db


def pause(key: ProviderKey, since: datetime) -> float:
    assert key.next_check_at is not None
    return (key.next_check_at - since).total_seconds()


def test_a_new_key_gets_its_verdict_from_one_answer(key: ProviderKey, see: See) -> None:
    assert see(Verdict.DEAD, 0, status=401, code="x", message="Invalid API key") == "dead"
    assert (key.verdict, key.verdict_at, key.checked_at) == ("dead", START, START)
    assert key.evidence["message"] == "Invalid API key"
    assert not key.suspect


def test_a_live_key_is_suspect_then_dead_and_comes_back(key: ProviderKey, see: See) -> None:
    assert see(Verdict.LIVE, 0) == "live"
    assert see(Verdict.DEAD, 300) is None
    assert (key.verdict, key.suspect) == ("live", True)
    assert key.next_check_at == after(360)  # the confirming probe
    assert see(Verdict.DEAD, 361) == "dead"
    assert (key.verdict, key.suspect, key.verdict_at) == ("dead", False, after(361))
    assert see(Verdict.LIVE, 400) == "live"
    assert (key.verdict, key.refused_at) == ("live", None)
    assert timeline(key) == [
        ("probe", "live", "live"),
        ("probe", "dead", ""),
        ("probe", "dead", "dead"),
        ("probe", "live", "live"),
    ]


def test_an_outage_changes_no_verdict_and_keeps_the_evidence(key: ProviderKey, see: See) -> None:
    see(Verdict.LIVE, 0, status=200)
    for number in range(1, 20):
        assert see(Verdict.UNKNOWN, number * 300, code="timeout") is None
    assert (key.verdict, key.suspect, key.evidence["status"]) == ("live", False, 200)
    assert key.checked_at == START  # only its age grows
    assert 54 <= pause(key, after(19 * 300)) <= 60  # its one key asks every minute: an incident


def test_a_key_without_a_clear_answer_is_asked_about_soon_then_less(
    key: ProviderKey, see: See
) -> None:
    see(Verdict.LIVE, 0)
    pauses = []
    for seconds in (300, 330, 360, 420, 540, 780, 2000):
        see(Verdict.UNKNOWN, seconds, status=404)
        key.refresh_from_db()
        pauses.append(pause(key, after(seconds)))
        Incident.objects.all().delete()
    wanted = (30, 30, 60, 120, 240, 300, 300)
    assert all(0.89 * most <= told <= most for told, most in zip(pauses, wanted, strict=True))


def test_an_outage_during_suspicion_is_followed_by_a_quick_look(key: ProviderKey, see: See) -> None:
    see(Verdict.LIVE, 0)
    see(Verdict.DEAD, 300)
    see(Verdict.UNKNOWN, 361)
    assert (key.verdict, key.suspect) == ("live", True)
    assert pause(key, after(361)) <= 60


@pytest.mark.parametrize("meaning", [Verdict.LIVE, Verdict.LIMITED, Verdict.EXHAUSTED])
def test_the_next_check_is_never_later_than_the_interval(
    key: ProviderKey, see: See, meaning: Verdict
) -> None:
    pauses = []
    for number in range(20):
        see(meaning, number)
        pauses.append(pause(key, after(number)))
    assert all(270 <= length <= 300 for length in pauses)
    assert len(set(pauses)) > 1  # spread


def test_a_short_interval_does_not_move_the_confirming_probe(
    key: ProviderKey, see: See, settings: Settings
) -> None:
    settings.CHECK_INTERVAL = 50.0
    see(Verdict.LIVE, 0)
    see(Verdict.DEAD, 50)
    assert key.next_check_at == after(100)
    see(Verdict.DEAD, 100)
    assert key.next_check_at == after(110)
    assert see(Verdict.DEAD, 110) == "dead"


def test_a_dead_key_is_looked_at_every_minute_then_less_and_at_least_daily(
    key: ProviderKey, see: See
) -> None:
    hour, day = 3600, 86400
    see(Verdict.DEAD, 0)
    assert pause(key, after(0)) <= 60
    see(Verdict.DEAD, hour - 1)
    assert pause(key, after(hour - 1)) <= 60
    see(Verdict.DEAD, 2 * hour)
    assert 60 < pause(key, after(2 * hour)) <= hour
    see(Verdict.DEAD, 30 * day)
    assert 0.9 * day <= pause(key, after(30 * day)) <= day


def test_evidence_of_another_version_moves_nothing(key: ProviderKey, see: See) -> None:
    see(Verdict.LIVE, 0)
    key.versions.update(stage=Stage.RETIRED)
    add_version(key, "the new one", number=2)
    ProviderKey.objects.filter(pk=key.pk).update(lease_until=after(60), next_check_at=after(5))
    assert see(Verdict.DEAD, 10) is None
    assert see(Verdict.DEAD, 100) is None
    assert (key.verdict, key.suspect) == ("live", False)
    assert (key.lease_until, key.next_check_at) == (None, after(5))
    assert see(Verdict.EXHAUSTED, 101, version=2) == "exhausted"


def test_evidence_older_than_the_verdicts_own_moves_nothing(key: ProviderKey, see: See) -> None:
    see(Verdict.LIVE, 100)
    assert see(Verdict.EXHAUSTED, 50) is None
    assert key.verdict == "live"


def test_a_key_that_is_gone_is_no_error() -> None:
    assert health.record("nobody", Evidence(meaning=Verdict.LIVE, at=START)) is None


def test_a_disabled_key_goes_on_being_checked(key: ProviderKey, see: See) -> None:
    ProviderKey.objects.filter(pk=key.pk).update(state=KeyState.DISABLED)
    see(Verdict.LIVE, 0)
    assert key.next_check_at is not None


@pytest.mark.parametrize("provider", ["no-such-provider", "unprobed"])
def test_a_key_without_a_free_request_is_never_due(
    key: ProviderKey, see: See, provider: str
) -> None:
    ProviderKey.objects.filter(pk=key.pk).update(provider=provider)
    see(Verdict.LIVE, 0)
    assert key.next_check_at is None


def test_what_a_database_refuses_or_has_no_room_for_is_cut(key: ProviderKey, see: See) -> None:
    see(Verdict.EXHAUSTED, 0, code="c\0" * 90, message="m\0" * 900)
    check = Check.objects.get(key=key)
    assert (check.code, check.message) == ("c" * 60, "m" * 200)


def test_what_says_the_same_again_is_counted_and_not_told_again(key: ProviderKey, see: See) -> None:
    for number in range(4):
        see(Verdict.LIVE, number * 300, latency_ms=number)
    see(Verdict.UNKNOWN, 1200, code="timeout")
    see(Verdict.LIVE, 1500)
    rows = Check.objects.filter(key=key).order_by("at")
    told = [(one.meaning, one.times, one.first_at, one.at, one.moved_to) for one in rows]
    assert told == [
        ("live", 1, None, START, "live"),  # what moved the verdict stands by itself
        ("live", 3, after(300), after(900), ""),
        ("unknown", 1, None, after(1200), ""),
        ("live", 1, None, after(1500), ""),
    ]
    assert rows[1].latency_ms == 3


def test_what_differs_in_anything_is_told(key: ProviderKey, see: See) -> None:
    for number, fields in enumerate(
        [{}, {"status": 503}, {"code": "x"}, {"message": "m"}, {"version": 0}, {"via": "traffic"}]
    ):
        see(Verdict.UNKNOWN, number * 300, **fields)
    assert Check.objects.filter(key=key).count() == 6


def test_evidence_that_comes_late_is_told_where_it_belongs(key: ProviderKey, see: See) -> None:
    see(Verdict.UNKNOWN, 300, code="timeout")
    see(Verdict.UNKNOWN, 0, code="timeout")
    assert list(Check.objects.order_by("at").values_list("at", "times")) == [
        (START, 1),
        (after(300), 1),
    ]


@pytest.mark.parametrize(("moved_to", "most"), [("", LIMIT), ("live", MOVES)])
def test_the_timeline_is_bounded(key: ProviderKey, see: See, moved_to: str, most: int) -> None:
    see(Verdict.LIVE, 0)
    old = [
        Check(
            key=key,
            version=1,
            at=after(number),
            via="probe",
            meaning=Verdict.LIVE,
            moved_to=moved_to,
        )
        for number in range(1, most + 200)
    ]
    Check.objects.bulk_create(old)
    for number in range(60):
        see(Verdict.UNKNOWN, 10_000 + number, message=str(number))
    kept = Check.objects.filter(key=key, moved_to=moved_to)
    assert most <= kept.count() <= most + 60
    assert Check.objects.filter(moved_to="live").exists()


def test_other_processes_are_told_in_the_transaction_that_moves_a_verdict_and_only_then(
    key: ProviderKey, see: See
) -> None:
    before = changes.current()
    see(Verdict.LIVE, 0)
    assert changes.current() == before + 1
    see(Verdict.LIVE, 1)
    see(Verdict.DEAD, 2)
    assert changes.current() == before + 1


def test_an_unknown_first_answer_is_replaced_by_the_first_real_one(
    key: ProviderKey, see: See
) -> None:
    assert see(Verdict.UNKNOWN, 0, code="timeout") == "unknown"
    assert key.evidence["code"] == "timeout"
    assert pause(key, START) <= timedelta(seconds=300).total_seconds()
    assert see(Verdict.DEAD, 300) == "dead"
