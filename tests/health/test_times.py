"""How soon a key's end and its return are seen, and how rarely a key that works is asked about.

The clock is moved, second by second, as beat ticks. Short intervals in the suite; `make prove`
the usual one. Each prints its figure.
"""

import json
from collections.abc import Callable
from datetime import datetime

import pytest
from django.utils import timezone
from pytest_django import Settings

from keys import changes, health, sweeping
from keys.models import Application, Check, ProviderKey
from tests.factories import ProviderKeyFactory
from tests.health.conftest import LIVE, REFUSED, Clock
from tests.upstream import Answer, Received, Upstream

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
INTERVALS = [90.0, pytest.param(300.0, marks=pytest.mark.prove)]
TICK = 2.0  # seconds between two looks of beat, and a probe


@pytest.fixture
def key(application: Application, allow_upstream: Upstream) -> ProviderKey:
    allow_upstream.answer(200, LIVE)
    made: ProviderKey = ProviderKeyFactory(application=application, next_check_at=timezone.now())
    return made


def call(key: ProviderKey, kind: str) -> None:
    """What ingest tells of a call that ended just now."""
    status = 200 if kind == "ok" else 401
    if health.traffic(key.pk, 1, kind, status, "", "", timezone.now()):
        changes.bump()


@pytest.mark.parametrize("interval", INTERVALS)
def test_a_busy_key_is_never_probed(
    key: ProviderKey, allow_upstream: Upstream, settings: Settings, clock: Clock, interval: float
) -> None:
    settings.CHECK_INTERVAL = interval
    assert sweeping.check_due() == 1
    begun, calls = timezone.now(), 0
    while (timezone.now() - begun).total_seconds() < 10 * interval:
        clock.jump(seconds=1)
        call(key, "ok")
        calls += 1
        sweeping.check_due()
    probes = len(allow_upstream.requests) - 1
    print(
        f"one call a second for 10 intervals of {interval:.0f} s ({calls} calls): {probes} probes"
    )
    assert probes == 0
    key.refresh_from_db()
    assert key.verdict == "live"


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("phase", [0.02, 0.5, 0.98])
def test_a_key_revoked_at_the_provider_is_suspect_then_dead_and_live_again_when_revived(
    key: ProviderKey,
    allow_upstream: Upstream,
    settings: Settings,
    clock: Clock,
    interval: float,
    busy: bool,
    phase: float,
) -> None:
    settings.CHECK_INTERVAL = interval
    revoked = False

    def answer(_: Received) -> Answer:
        body = json.dumps(REFUSED if revoked else LIVE).encode()
        return Answer(401 if revoked else 200, body, {"Content-Type": "application/json"})

    def until(reached: Callable[[], bool], most: float) -> float:
        since: datetime = timezone.now()
        while not reached():
            clock.jump(seconds=1)
            if busy and key.verdict != "dead":  # no call is made with a dead one
                call(key, "key_invalid" if revoked else "ok")
            sweeping.check_due()
            key.refresh_from_db()
            assert (timezone.now() - since).total_seconds() <= most
        return (timezone.now() - since).total_seconds()

    allow_upstream.handler = answer
    sweeping.check_due()
    clock.jump(seconds=interval * phase)
    revoked = True
    suspect = until(lambda: key.suspect, interval + TICK)
    dead = suspect + until(lambda: key.verdict == "dead", 75)
    clock.jump(seconds=20)
    revoked = False
    live = until(lambda: key.verdict == "live", 70)
    print(
        f"interval {interval:.0f} s, {'busy' if busy else 'idle'}: suspect after {suspect:.0f} s, "
        f"dead after {dead:.0f} s, live again {live:.0f} s after its return"
    )
    assert dead <= interval + 75
    if busy:
        assert suspect <= 2 * TICK


def test_a_refused_call_is_followed_by_a_probe_at_once(
    key: ProviderKey, allow_upstream: Upstream, clock: Clock
) -> None:
    sweeping.check_due()
    clock.jump(seconds=10)
    call(key, "key_invalid")
    assert sweeping.check_due() == 1
    key.refresh_from_db()
    assert (key.verdict, key.suspect) == ("live", False)  # the provider says otherwise
    whys = Check.objects.order_by("at", "id").values_list("via", "why")
    assert list(whys) == [
        ("probe", "the first clear answer"),
        ("traffic", "a call was refused: a probe follows at once"),
        ("probe", "works again: no longer suspect"),
    ]
