"""The balance on a provider key's page: drawn, compared, and silent where none is told."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from django.test import Client
from django.utils import timezone

from keys import lifecycle
from keys.audit import Actor
from keys.lifecycle import PriceGiven
from keys.models import AppKey, Balance, ProviderKey, User
from tests.factories import ProviderKeyFactory
from tests.pages_usage.conftest import Call

SignIn = Callable[..., Client]
DOLLAR = 10**9


def tell(key: ProviderKey, *told: tuple[float, float], currency: str = "USD") -> None:
    """(hours ago, balance)"""
    for hours, balance in told:
        Balance.objects.create(
            key=key,
            version=1,
            at=timezone.now() - timedelta(hours=hours),
            nanos=round(balance * DOLLAR),
            currency=currency,
        )


def url(key: ProviderKey, more: str = "") -> str:
    return f"/usage/balance/?application=shop&provider_key={key.pk}{more}"


def price_calls() -> None:
    lifecycle.set_prices(
        Actor.system("test"), "modelslab", [PriceGiven(pattern="*", per_call=Decimal(1))]
    )


def test_no_balance_no_panel(client_of: SignIn, viewer: User, provider_key: ProviderKey) -> None:
    assert client_of(viewer).get(url(provider_key)).text == ""
    page = client_of(viewer).get(f"/applications/shop/provider-keys/{provider_key.pk}/").text
    assert "/usage/balance/?application=shop" in page


def test_one_balance_waits_for_the_next(
    client_of: SignIn, viewer: User, provider_key: ProviderKey
) -> None:
    tell(provider_key, (1, 43.6))
    assert "The provider told $43.60" in client_of(viewer).get(url(provider_key)).text


def test_a_balance_is_drawn_with_its_end(
    client_of: SignIn, viewer: User, provider_key: ProviderKey, call: Call
) -> None:
    price_calls()
    tell(provider_key, (48, 50), (24, 48), (0.1, 46))
    for hours in (47, 40, 20, 10):
        call(ago=timedelta(hours=hours))
    page = client_of(viewer).get(url(provider_key)).text
    assert page.count("<polyline") == 3
    assert "$46.00" in page
    assert "at $2.00 a day" in page
    assert "past the gateway" not in page


def test_use_past_the_gateway_is_said_with_what_to_do(
    client_of: SignIn, viewer: User, provider_key: ProviderKey, call: Call
) -> None:
    price_calls()
    tell(provider_key, (3, 50), (1, 42))
    call(ago=timedelta(hours=2))
    page = client_of(viewer).get(url(provider_key)).text
    assert "$7.00 went that Keydeck did not count" in page
    assert "rotate the key" in page


def test_calls_without_a_price_ask_for_one(
    client_of: SignIn, viewer: User, provider_key: ProviderKey, call: Call
) -> None:
    tell(provider_key, (3, 50), (1, 42))
    call(ago=timedelta(hours=2))
    page = client_of(viewer).get(url(provider_key)).text
    assert "without 1 call that have no price" not in page
    assert "without 1 call that has no price" in page
    assert "Set a price for every endpoint" in page
    assert "/providers/modelslab/prices/" in page


def test_another_currency_is_not_compared(
    client_of: SignIn, viewer: User, provider_key: ProviderKey
) -> None:
    tell(provider_key, (3, 50), (1, 42), currency="EUR")
    page = client_of(viewer).get(url(provider_key)).text
    assert "42.00 EUR" in page
    assert "only dollars can be compared" in page


def test_a_longer_time_is_a_choice_in_the_address(
    client_of: SignIn, viewer: User, provider_key: ProviderKey
) -> None:
    tell(provider_key, (24 * 20, 50), (24 * 15, 42))
    provider_key.evidence = {"balance": 42.0}
    provider_key.save()
    client = client_of(viewer)
    assert "No balance was told in the last 7 days" in client.get(url(provider_key)).text
    assert "<polyline" in client.get(url(provider_key, "&days=30")).text
    assert client.get(url(provider_key, "&days=9999999")).status_code == 200


def test_who_may_not_see_the_key_sees_no_balance(
    client_of: SignIn, viewer: User, outsider: User, provider_key: ProviderKey, app_key: AppKey
) -> None:
    assert client_of(outsider).get(url(provider_key)).status_code == 404
    foreign = ProviderKeyFactory()
    assert client_of(viewer).get(url(foreign)).status_code == 404
    assert client_of(viewer).get("/usage/balance/?application=shop").status_code == 404


def test_it_costs_the_same_however_long_the_series(
    client_of: SignIn,
    viewer: User,
    provider_key: ProviderKey,
    call: Call,
    django_assert_num_queries: Callable[..., object],
) -> None:
    client = client_of(viewer)
    tell(provider_key, *((hour, 50 + hour) for hour in range(100, 0, -1)))
    call()
    # session, user, application, role, key; the two of its secret's; balances, prices, counts
    with django_assert_num_queries(10):
        client.get(url(provider_key))
