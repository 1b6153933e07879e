"""Most keys of a provider turn unknown together: one incident, and no verdict moves."""

import socket
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import pytest
from django.db.models import Sum
from django.utils import timezone
from pytest_django import Settings

from keys import health, incidents, sweeping
from keys.evidence import Evidence
from keys.models import Application, Check, Incident, ProviderKey
from keys.states import Verdict
from tests.factories import ProviderKeyFactory
from tests.health.conftest import LIVE, Clock, after
from tests.health.many import provider_keys
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db
Keys = Callable[..., list[ProviderKey]]


@pytest.fixture
def keys(application: Application) -> Keys:
    """`keys(n)`: so many live keys, last looked at at the start."""

    def make(count: int, provider: str = "modelslab") -> list[ProviderKey]:
        made = [
            ProviderKeyFactory(application=application, provider=provider) for _ in range(count)
        ]
        say(made, Verdict.LIVE, 0)
        return made

    return make


def say(keys: Iterable[ProviderKey], meaning: Verdict, seconds: float, **fields: object) -> None:
    """The provider answers so about these, at once."""
    status = {"live": 200, "dead": 401, "exhausted": 402, "unknown": 503}.get(meaning, 0)
    told = Evidence(
        meaning=meaning, at=after(seconds), **{"status": status, "version": 1, **fields}
    )
    health.record_many([(key.pk, told) for key in keys])


def verdicts(keys: Iterable[ProviderKey]) -> set[tuple[str, bool]]:
    for key in keys:
        key.refresh_from_db()
    return {(key.verdict, key.suspect) for key in keys}


def is_open() -> bool:
    return bool(incidents.open_incidents())


def test_three_keys_of_four_unclear_open_one(keys: Keys) -> None:
    four = keys(4)
    say(four[:2], Verdict.UNKNOWN, 300)
    assert not is_open()
    say(four[2:3], Verdict.UNKNOWN, 301, code="down", message="Service unavailable")
    (incident,) = incidents.open_incidents()
    assert (incident.provider, incident.cause) == ("modelslab", "provider")
    assert (incident.opened_at, incident.closed_at) == (after(301), None)
    assert incident.keys_affected == 3
    assert incident.evidence == {
        "status": 503, "code": "down", "message": "Service unavailable", "unclear": 3, "asked": 4,
    }  # fmt: skip
    say(four[3:], Verdict.UNKNOWN, 302)
    assert Incident.objects.count() == 1
    incident.refresh_from_db()
    assert incident.keys_affected == 4
    assert set(incidents.keys_of(incident)) == set(four)


@pytest.mark.parametrize("count", [1, 2])
def test_of_one_or_two_keys_it_takes_all_of_them_and_some_time(keys: Keys, count: int) -> None:
    few = keys(count)
    say(few, Verdict.UNKNOWN, 300)
    assert not is_open()
    say(few, Verdict.UNKNOWN, 330)
    assert not is_open()
    say(few, Verdict.UNKNOWN, 346)
    assert is_open()
    say(few, Verdict.LIVE, 360)
    assert not is_open()


def test_one_odd_key_is_no_incident(keys: Keys) -> None:
    """Nor three among many, nor those that never got a clear answer."""
    many = keys(10)
    for seconds in range(300, 4000, 300):
        say(many[:3], Verdict.UNKNOWN, seconds)
        say(many[3:], Verdict.LIVE, seconds + 1)
    assert not is_open()
    say(many[3:6], Verdict.UNKNOWN, 4200)  # 3 of the 7 that are not odd
    assert not is_open()


def test_a_key_that_never_got_a_clear_answer_is_none(application: Application) -> None:
    wrong = ProviderKeyFactory(application=application)
    for seconds in range(0, 2000, 60):
        say([wrong], Verdict.UNKNOWN, seconds, status=404)
    assert not is_open()


def test_it_ends_when_most_of_the_latest_answers_are_clear(keys: Keys) -> None:
    eight = keys(8)
    say(eight, Verdict.UNKNOWN, 300)
    say(eight[:2], Verdict.LIVE, 340)
    assert is_open()
    say(eight[2:6], Verdict.LIVE, 350)
    (incident,) = incidents.latest()
    assert incident.closed_at == after(350)
    assert verdicts(eight) == {("live", False)}


def test_a_provider_that_flaps_has_one_incident(keys: Keys) -> None:
    six = keys(6)
    for seconds in range(300, 900, 20):
        say(six[:3], Verdict.UNKNOWN, seconds)
        say(six[3:], Verdict.LIVE if seconds % 40 else Verdict.UNKNOWN, seconds + 1)
    assert Incident.objects.count() == 1


def test_refusals_in_an_incident_make_suspect_and_never_dead(keys: Keys) -> None:
    four = keys(4)
    say(four, Verdict.UNKNOWN, 300)
    for seconds in range(310, 700, 30):
        say(four[:2], Verdict.DEAD, seconds)
        say(four[2:], Verdict.UNKNOWN, seconds)
    assert verdicts(four[:2]) == {("live", True)}
    assert is_open()
    last = Check.objects.filter(key=four[0]).latest("at")
    assert last.why == "held back: the provider is in trouble"


def test_nothing_but_a_success_moves_a_verdict_in_an_incident(keys: Keys) -> None:
    four = keys(4)
    say(four[:1], Verdict.EXHAUSTED, 200)
    say(four, Verdict.UNKNOWN, 300)
    say(four[1:2], Verdict.EXHAUSTED, 310)
    say(four[2:3], Verdict.LIMITED, 310)
    assert verdicts(four[1:3]) == {("live", False)}
    say(four[:1], Verdict.LIVE, 311)
    assert verdicts(four[:1]) == {("live", False)}
    assert is_open()


def test_refusals_are_believed_once_nothing_unclear_has_come_for_a_minute(keys: Keys) -> None:
    """A key that is revoked in an incident is dead as soon after it as any other."""
    (one,) = keys(1)
    say([one], Verdict.UNKNOWN, 300)
    say([one], Verdict.UNKNOWN, 346)
    assert is_open()
    say([one], Verdict.DEAD, 360)
    assert (is_open(), verdicts([one])) == (True, {("live", True)})
    say([one], Verdict.DEAD, 420)
    assert (is_open(), verdicts([one])) == (False, {("dead", False)})


def test_a_new_key_gets_its_first_verdict_in_an_incident_too(
    keys: Keys, application: Application
) -> None:
    say(keys(4), Verdict.UNKNOWN, 300)
    new = ProviderKeyFactory(application=application)
    say([new], Verdict.DEAD, 310)
    assert verdicts([new]) == {("dead", False)}


def test_another_provider_is_not_touched(keys: Keys) -> None:
    mine, other = keys(3), keys(1, "openai")
    say(mine, Verdict.UNKNOWN, 300)
    say(other, Verdict.DEAD, 301)
    say(other, Verdict.DEAD, 362)
    assert verdicts(other) == {("dead", False)}


def test_when_nobody_answers_it_is_our_own_network(keys: Keys) -> None:
    mine, others = keys(3), keys(3, "openai")
    for seconds, found in ((300, mine), (310, others)):
        say(found, Verdict.UNKNOWN, seconds, status=0, code="connect")
    (incident,) = incidents.open_incidents()
    assert incident.is_network
    assert set(incidents.keys_of(incident)) == {*mine, *others}
    say(others, Verdict.DEAD, 320)
    assert verdicts(others) == {("live", True)}
    say([*mine, *others], Verdict.LIVE, 360)
    assert not is_open()


def test_a_provider_that_stays_away_when_the_network_is_back_has_its_own(keys: Keys) -> None:
    mine, others = keys(3), keys(6, "openai")
    for seconds in range(300, 2400, 300):
        say(mine, Verdict.UNKNOWN, seconds, status=0, code="connect")
        say(others, Verdict.UNKNOWN, seconds, status=0, code="connect")
    say(others, Verdict.LIVE, 2401)
    say(mine, Verdict.UNKNOWN, 2402)
    assert [(one.provider, one.cause) for one in incidents.open_incidents()] == [
        ("modelslab", "provider")
    ]


def test_two_providers_that_answer_with_errors_are_two_incidents(keys: Keys) -> None:
    for slug in ("modelslab", "openai"):
        say(keys(3, slug), Verdict.UNKNOWN, 300)
    assert {(one.provider, one.cause) for one in incidents.open_incidents()} == {
        ("modelslab", "provider"),
        ("openai", "provider"),
    }


def test_a_call_that_succeeds_ends_it(keys: Keys) -> None:
    (one,) = keys(1)
    say([one], Verdict.UNKNOWN, 300)
    say([one], Verdict.UNKNOWN, 346)
    health.traffic(one.pk, 1, "ok", 200, "", "", after(350))
    assert not is_open()


def test_one_that_nobody_has_a_key_for_any_more_ends(keys: Keys) -> None:
    say(keys(3), Verdict.UNKNOWN, 300)
    incidents.end_abandoned(after(400))
    assert is_open()
    ProviderKey.objects.update(next_check_at=None)
    incidents.end_abandoned(after(500))
    assert not is_open()


def test_while_it_lasts_the_provider_is_asked_about_often_enough(keys: Keys) -> None:
    """Every minute by a few keys, every ten seconds by all together."""
    few = keys(3)
    say(few, Verdict.UNKNOWN, 300)
    say(few, Verdict.UNKNOWN, 301)
    verdicts(few)
    for key in few:
        assert key.next_check_at is not None
        assert 54 <= (key.next_check_at - after(301)).total_seconds() <= 60


OUTAGES = {
    "503": {"status": 503, "body": "down"},
    "html": {"status": 200, "body": "<html>captive portal</html>"},
    "time-outs": {"status": 200, "body": LIVE},  # that nobody waits for
}


@pytest.fixture
def silent() -> Iterator[str]:
    """Where connections are made and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize(
    ("count", "step"), [(12, 30), pytest.param(1000, 15, marks=pytest.mark.prove)]
)
def test_an_hour_of_it_flips_nothing(
    application: Application,
    allow_upstream: Upstream,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    silent: str,
    count: int,
    step: int,
    outage: str,
) -> None:
    settings.PROBES_AT_ONCE = 100
    allow_upstream.answer(200, LIVE)
    provider_keys(application, count, timezone.now())
    while ProviderKey.objects.exclude(verdict="live").exists():
        clock.jump(seconds=30)
        sweeping.check_due()
    moves = Check.objects.exclude(moved_to="").count()
    before = set(ProviderKey.objects.values_list("pk", "verdict", "verdict_at"))
    allow_upstream.answer(**OUTAGES[outage])  # type: ignore[arg-type]
    if outage == "time-outs":
        monkeypatch.setattr(sweeping, "TIMEOUT", 0.2)
        settings.PROVIDER_URLS = {"modelslab": f"http://{silent}"}
        settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, silent]
    asked, end = probes(), timezone.now() + timedelta(hours=1)
    while timezone.now() < end:
        clock.jump(seconds=step)
        sweeping.check_due()
    asked = probes() - asked
    mine = Incident.objects.filter(provider="modelslab")
    flips = Check.objects.exclude(moved_to="").count() - moves
    print(
        f"an hour of {outage} over {count} keys: {flips} flips, {mine.count()} incident, "
        f"{asked} probes"
    )
    assert set(ProviderKey.objects.values_list("pk", "verdict", "verdict_at")) == before
    assert (flips, mine.count(), mine.filter(closed_at=None).count()) == (0, 1, 1)
    allow_upstream.answer(200, LIVE)
    settings.PROVIDER_URLS = {"modelslab": allow_upstream.url}
    monkeypatch.setattr(sweeping, "TIMEOUT", 10.0)
    for _ in range(25):
        clock.jump(seconds=15)
        sweeping.check_due()
    assert mine.filter(closed_at=None).count() == 0
    assert not ProviderKey.objects.filter(refused_at__isnull=False, verdict="live").exists()


def probes() -> int:
    return Check.objects.aggregate(asked=Sum("times"))["asked"]
