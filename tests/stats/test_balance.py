"""Balances beside our count: what nobody here spent is seen, what was paid in is no spend."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from keys import lifecycle
from keys.audit import Actor
from keys.lifecycle import PriceGiven
from keys.models import Balance, ProviderKey
from tests.factories import ProviderKeyFactory
from tests.stats.conftest import NOW, Store, calls
from usage import stats
from usage.stats import Reconciliation
from usage.stats.balance import MOST_POINTS

pytestmark = pytest.mark.django_db
DOLLAR = 10**9
HOUR = timedelta(hours=1)
Told = tuple[float, float]  # hours before NOW, dollars


@pytest.fixture
def key(db: None) -> ProviderKey:
    lifecycle.set_prices(
        Actor.system("test"), "modelslab", [PriceGiven(pattern="*", per_call=Decimal(1))]
    )
    made: ProviderKey = ProviderKeyFactory()
    return made


def tell(key: ProviderKey, *told: Told, version: int = 1, currency: str = "USD") -> None:
    for before, dollars in told:
        Balance.objects.create(
            key=key,
            version=version,
            at=NOW - before * HOUR,
            nanos=round(dollars * DOLLAR),
            currency=currency,
        )


def reconciled(key: ProviderKey, days: int = 7) -> Reconciliation:
    return stats.reconcile(key.pk, [key.pk], NOW - timedelta(days=days), NOW, NOW)


def in_dollars(found: Reconciliation) -> list[tuple[float, float, float]]:
    """(fell, counted, unexplained so far) of each point but the first."""
    return [
        (point.fell / DOLLAR, point.counted / DOLLAR, point.unexplained / DOLLAR)
        for point in found.points[1:]
    ]


def test_what_was_spent_through_keydeck_is_explained(store: Store, key: ProviderKey) -> None:
    tell(key, (3, 50), (2, 47), (1, 45))
    store(*calls(3, 2.5 * HOUR, provider_key=key.pk), *calls(2, 1.5 * HOUR, provider_key=key.pk))
    found = reconciled(key)
    assert in_dollars(found) == [(3, 3, 0), (2, 2, 0)]
    assert (found.fell, found.counted, found.outside) == (5 * DOLLAR, 5 * DOLLAR, False)


def test_what_fell_beyond_our_count_was_spent_outside(store: Store, key: ProviderKey) -> None:
    tell(key, (3, 50), (2, 40), (1, 39))
    store(*calls(3, 2.5 * HOUR, provider_key=key.pk), *calls(1, 1.5 * HOUR, provider_key=key.pk))
    found = reconciled(key)
    assert in_dollars(found) == [(10, 3, 7), (1, 1, 7)]
    assert found.outside


def test_a_top_up_is_no_negative_spend(store: Store, key: ProviderKey) -> None:
    tell(key, (4, 5), (3, 4), (2, 103), (1, 102))
    store(
        *(
            event
            for hours in (3.5, 2.5, 1.5)
            for event in calls(1, hours * HOUR, provider_key=key.pk)
        )
    )
    found = reconciled(key)
    assert in_dollars(found) == [(1, 1, 0), (0, 0, 0), (1, 1, 0)]
    assert (found.rose, found.fell) == (99 * DOLLAR, 2 * DOLLAR)


def test_another_secret_may_be_another_account(key: ProviderKey) -> None:
    tell(key, (3, 50), (2, 49))
    tell(key, (1, 7), version=2)
    found = reconciled(key)
    assert (found.fell, found.unexplained) == (DOLLAR, DOLLAR)


def test_a_call_told_late_is_made_good_at_the_next_point(store: Store, key: ProviderKey) -> None:
    tell(key, (3, 50), (2, 50), (1, 46))  # the provider books with a delay
    store(*calls(4, 2.5 * HOUR, provider_key=key.pk))
    assert [unexplained for *_, unexplained in in_dollars(reconciled(key))] == [-4, 0]


def test_keys_with_the_same_secret_are_counted_together(store: Store, key: ProviderKey) -> None:
    other = ProviderKeyFactory()
    tell(key, (3, 50), (1, 47))
    store(*calls(1, 2 * HOUR, provider_key=key.pk), *calls(2, 2 * HOUR, provider_key=other.pk))
    found = stats.reconcile(key.pk, [key.pk, other.pk], NOW - 5 * HOUR, NOW, NOW)
    assert found.unexplained == 0
    assert reconciled(key).unexplained == 2 * DOLLAR


@pytest.mark.parametrize("days", [0, 1.9, 3, 30])
def test_every_call_counts_once_from_minutes_and_from_hours(
    store: Store, key: ProviderKey, days: float
) -> None:
    later = days * 24
    tell(key, (later + 30, 100), (later + 0.01, 91))
    for hours in range(9):
        store(*calls(1, (later + 3 * hours + 0.5) * HOUR, provider_key=key.pk))
    assert reconciled(key, 60).counted == 9 * DOLLAR


def test_calls_without_a_price_make_the_comparison_say_nothing(
    store: Store, key: ProviderKey
) -> None:
    lifecycle.set_prices(Actor.system("test"), "modelslab", [])
    tell(key, (3, 50), (1, 40))
    store(*calls(2, 2 * HOUR, provider_key=key.pk))
    found = reconciled(key)
    assert (found.unpriced, found.outside) == (2, False)


def test_what_providers_report_goes_before_the_estimate(store: Store, key: ProviderKey) -> None:
    tell(key, (3, 50), (1, 49.75))
    store(*calls(1, 2 * HOUR, provider_key=key.pk, cost_nanos=DOLLAR // 4))
    assert reconciled(key).unexplained == 0


def test_another_currency_is_drawn_and_not_compared(store: Store, key: ProviderKey) -> None:
    tell(key, (3, 50), (1, 40), currency="EUR")
    found = reconciled(key)
    assert (found.currency, found.fell, found.compared, found.outside) == (
        "EUR",
        10 * DOLLAR,
        False,
        False,
    )


def test_when_it_runs_out_follows_from_how_fast_it_fell(key: ProviderKey) -> None:
    tell(key, (48, 50), (24, 45), (0.001, 40))
    found = reconciled(key)
    assert found.per_day / DOLLAR == pytest.approx(5, rel=0.001)
    assert found.empty_at is not None
    assert found.empty_at - NOW == pytest.approx(timedelta(days=8), abs=timedelta(hours=1))


@pytest.mark.parametrize("told", [[(48, 50)], [(48, 50), (24, 50)], [(0.2, 50), (0.1, 40)], []])
def test_where_nothing_falls_for_long_enough_no_end_is_foretold(
    key: ProviderKey, told: list[Told]
) -> None:
    tell(key, *told)
    assert reconciled(key).empty_at is None


def test_a_series_is_short_enough_to_draw_and_loses_nothing(key: ProviderKey) -> None:
    tell(key, *((hour / 4, 100 + hour) for hour in range(650, 0, -1)))
    found = reconciled(key)
    assert len(found.points) <= MOST_POINTS + 1
    assert found.fell == 649 * DOLLAR
    assert found.points[-1].nanos == 101 * DOLLAR
    moments: list[datetime] = [point.at for point in found.points]
    assert moments == sorted(moments)


def test_it_costs_three_queries(
    store: Store, key: ProviderKey, django_assert_num_queries: object
) -> None:
    tell(key, *((hour, 50 + hour) for hour in range(100, 0, -1)))
    store(*calls(3, 30 * HOUR, provider_key=key.pk))
    with django_assert_num_queries(3):  # type: ignore[operator]
        reconciled(key)
