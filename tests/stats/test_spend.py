"""Spend: by the prices of today, to the last digit, beside what providers report."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import lifecycle
from keys.audit import Actor
from keys.lifecycle import PriceGiven
from keys.models import Price, PriceList
from tests.stats.conftest import NOW, Store, call, calls, lately
from usage import stats
from usage.events import Outcome
from usage.stats.prices import Tariff, charge, nanos

pytestmark = pytest.mark.django_db
DOLLAR = 10**9


def price(pattern: str, per_call: str = "0", per_in: str = "0", per_out: str = "0") -> PriceGiven:
    return PriceGiven(
        pattern=pattern,
        per_call=Decimal(per_call),
        per_1k_tokens_in=Decimal(per_in),
        per_1k_tokens_out=Decimal(per_out),
    )


def set_prices(*prices: PriceGiven, provider: str = "modelslab") -> None:
    lifecycle.set_prices(Actor.system("test"), provider, prices)


def spent(**fields: object) -> stats.Spend:
    return stats.spend(lately(**fields), NOW)


def test_the_most_specific_pattern_that_matches_holds() -> None:
    set_prices(price("*", "1"), price("/api/*", "2"), price("/api/v6/*/text2img", "3"))
    set_prices(price("*", "9"), provider="openai")
    tariff = Tariff()
    for endpoint, dollars in {
        "/api/v6/images/text2img": 3,
        "/api/v6/images/img2img": 2,
        "/other": 1,
        "(other)": 1,
        "/api/v6/images/text2img/more": 2,
    }.items():
        found = tariff.price("modelslab", endpoint)
        assert found is not None and found.per_call == dollars * DOLLAR, endpoint
    assert tariff.price("stripe", "/v1/balance") is None


def test_a_call_costs_where_it_ended_well_and_tokens_wherever_they_were_told(store: Store) -> None:
    set_prices(price("/api/*", "0.0047", "0.5", "1.5"))
    store(
        *calls(3),
        call(tokens_in=2000, tokens_out=10),
        call(outcome=Outcome.ABORTED, status=0, tokens_out=1000),
        call(outcome=Outcome.UPSTREAM_ERROR, status=502),
        call(outcome=Outcome.DENIED, status=429),
    )
    assert spent().estimate_usd == pytest.approx(4 * 0.0047 + 1 + 0.015 + 1.5)
    assert spent().reported_usd is None


def test_what_was_reported_in_one_part_of_the_range_leaves_the_estimate_of_another(
    store: Store,
) -> None:
    set_prices(price("*", "1"))
    store(call(timedelta(hours=3), cost_nanos=DOLLAR // 2), call())
    assert spent().likely == DOLLAR // 2 + DOLLAR
    assert stats.spend_by(lately(), "application", now=NOW)["app000000001"].likely == spent().likely


def test_a_changed_price_restates_history(store: Store) -> None:
    store(*calls(2))
    assert (spent().estimate, spent().unpriced) == (None, 2)
    set_prices(price("*", "1"))
    assert (spent().estimate, spent().unpriced) == (2 * DOLLAR, 0)
    set_prices(price("*", "0.000000001"))
    assert spent().estimate == 2
    set_prices(price("*"))
    assert (spent().estimate, spent().unpriced) == (0, 0)  # free, and known to be


def test_what_was_reported_stands_beside_and_counts_first(store: Store) -> None:
    set_prices(price("*", "1"))
    store(call(), call(endpoint="/told", cost_nanos=250_000_000))
    found = spent()
    assert (found.reported, found.estimate) == (DOLLAR // 4, 2 * DOLLAR)
    assert found.likely == DOLLAR + DOLLAR // 4


def test_spend_by_key_application_and_provider_adds_up(store: Store) -> None:
    set_prices(price("*", "1"))
    set_prices(price("*", "10"), provider="openai")
    store(*calls(2, app_key="a"), call(app_key="b", provider="openai", application="app2"))
    for by, told in {
        "app_key": {"a": 2, "b": 10},
        "application": {"app000000001": 2, "app2": 10},
        "provider": {"modelslab": 2, "openai": 10},
        "provider_key": {"pk0000000001": 12},
    }.items():
        found = stats.spend_by(lately(), by, now=NOW)
        assert {value: one.likely // DOLLAR for value, one in found.items()} == told
    assert list(stats.spend_by(lately(), "app_key", ["b"], NOW)) == ["b"]
    assert spent(app_key="b").estimate == 10 * DOLLAR


def test_versions_and_callers_have_no_spend() -> None:
    for fields in ({"caller": "nightly"}, {"app_key": "a", "app_key_version": 1}):
        with pytest.raises(stats.Unanswerable):
            spent(**fields)


@given(
    rows=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**9), st.integers(0, 10**9))),
    told=st.tuples(*[st.integers(0, 10**15)] * 3),
)
def test_sums_are_exact_however_they_are_parted(
    rows: list[tuple[int, int, int]], told: tuple[int, int, int]
) -> None:
    given_price = Price("*", *told)
    parted = sum(charge(given_price, "ok", *row) for row in rows)
    whole = (
        charge(given_price, "ok", *(sum(column) for column in zip(*rows, strict=True)))
        if rows
        else 0
    )
    assert parted == whole
    exact = Decimal(whole) / 1000
    assert abs(nanos(parted) - exact) <= Decimal("0.5")


def test_no_prices_cost_one_query(django_assert_num_queries: object, store: Store) -> None:
    store(call())
    PriceList.objects.create(provider="openai", rows=[["*", 1, 0, 0]])
    with django_assert_num_queries(1):  # type: ignore[operator]
        stats.spend(lately(provider="modelslab"), NOW, priced_only=True)
    with django_assert_num_queries(2):  # type: ignore[operator]
        stats.spend(lately(), NOW, priced_only=True)
