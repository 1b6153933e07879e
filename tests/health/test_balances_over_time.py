"""The balances that probes told, as a series: each move, and now and then that nothing moved."""

from collections.abc import Callable

import pytest

from keys import balances, health
from keys.evidence import Evidence
from keys.models import Balance, ProviderKey
from keys.states import Verdict
from tests.health.conftest import after

See = Callable[..., str | None]
Hear = Callable[..., None]
pytestmark = pytest.mark.django_db
MINUTE = 60


def series() -> list[tuple[float, int]]:
    """(balance, seconds after the start) in order."""
    return [
        (row.nanos / 10**9, int((row.at - after(0)).total_seconds()))
        for row in Balance.objects.order_by("at")
    ]


def test_every_move_is_a_point(see: See) -> None:
    for seconds, told in ((0, 43.6), (300, 43.5999), (600, 50.0)):
        see(Verdict.LIVE, seconds, balance=told, currency="USD")
    assert series() == [(43.6, 0), (43.5999, 300), (50.0, 600)]


def test_a_balance_that_stands_is_noted_twice_an_hour(see: See) -> None:
    for minutes in range(0, 65, 5):
        see(Verdict.LIVE, minutes * MINUTE, balance=43.6, currency="USD")
    assert series() == [(43.6, 0), (43.6, 30 * MINUTE), (43.6, 60 * MINUTE)]


def test_another_secret_begins_anew(key: ProviderKey, see: See) -> None:
    see(Verdict.LIVE, 0, balance=43.6, currency="USD")
    key.versions.update(number=2)
    see(Verdict.LIVE, 60, balance=43.6, currency="USD", version=2)
    assert list(Balance.objects.order_by("at").values_list("version", flat=True)) == [1, 2]


def test_what_tells_no_balance_is_no_point(key: ProviderKey, see: See, hear: Hear) -> None:
    see(Verdict.LIVE, 0)
    hear("ok", 400)
    see(Verdict.UNKNOWN, 500)
    assert series() == []


def test_what_a_superseded_secret_or_a_late_answer_tells_is_no_point(see: See) -> None:
    see(Verdict.LIVE, 100, balance=43.6, currency="USD")
    see(Verdict.LIVE, 200, balance=1.0, currency="USD", version=7)
    see(Verdict.LIVE, 50, balance=2.0, currency="USD")
    assert series() == [(43.6, 100)]


def test_old_points_go(key: ProviderKey) -> None:
    quarter = balances.KEPT.total_seconds()
    for number in range(120):
        evidence = Evidence(
            meaning=Verdict.LIVE,
            at=after(number * quarter / 20),
            version=1,
            balance=float(number),
            currency="USD",
        )
        health.record(key.pk, evidence)
    # Every 50th point lets go of what is older than twenty points.
    assert Balance.objects.earliest("at").nanos >= 50 * 10**9
    assert Balance.objects.latest("at").nanos == 119 * 10**9
