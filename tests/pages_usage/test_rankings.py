"""The rankings: who leads, what is slow, which keys are quiet; all of it in the address."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys import lifecycle
from keys.audit import Actor
from keys.lifecycle import PriceGiven
from keys.models import AppKey, Application, ProviderKey, User
from tests.factories import AppKeyFactory
from tests.pages_usage.conftest import Call
from usage.events import Outcome
from usage.views.ranking_form import BY, ORDERS

SignIn = Callable[..., Client]
HTMX = {"HX-Request": "true"}
URL = "/rankings/"


def ranked(page: str) -> str:
    return page[page.index('id="ranked"') : page.index('id="slowest"')]


def test_the_busiest_keys_come_first_by_name(
    client_of: SignIn, viewer: User, call: Call, app_key: AppKey, application: Application
) -> None:
    other = AppKeyFactory(application=application, name="Batch")
    call()
    for _ in range(2):
        call(app_key=other.id)
    page = ranked(client_of(viewer).get(URL).text)
    assert page.index("Batch") < page.index("Web")
    assert reverse("app_key", args=["shop", other.pk]) in page
    last = ranked(client_of(viewer).get(f"{URL}?direction=bottom").text)
    assert last.index("Web") < last.index("Batch")


UNTELLABLE = [("caller", "latency"), ("caller", "cost"), ("version", "cost"), ("status", "latency")]


@pytest.mark.parametrize(
    ("by", "order"),
    [*((by, "requests") for by in BY), *(("app_key", order) for order in ORDERS), *UNTELLABLE],
)
def test_everything_on_offer_can_be_asked(
    client_of: SignIn, viewer: User, call: Call, app_key: AppKey, by: str, order: str
) -> None:
    call(app_key_version=1, caller="nightly", tokens_in=5, outcome=Outcome.KEY_ERROR, status=401)
    query = {"by": by, "order": order, "app_key": app_key.pk}
    answer = client_of(viewer).get(URL, query)
    assert answer.status_code == 200
    assert ("not counted together" in answer.text) == ((by, order) in UNTELLABLE)


def test_a_row_leads_on_to_rankings_within_it(
    client_of: SignIn, viewer: User, call: Call, app_key: AppKey
) -> None:
    call(endpoint="/a")
    call(endpoint="/b", app_key="")
    client = client_of(viewer)
    assert f"app_key={app_key.pk}" in client.get(URL).text
    page = client.get(f"{URL}?by=endpoint&app_key={app_key.pk}").text
    assert "/a" in ranked(page)
    assert "/b" not in ranked(page)
    assert 'name="app_key"' in page  # the form keeps it
    assert "Without app key Web" in page


def test_the_address_holds_what_was_chosen(client_of: SignIn, viewer: User, call: Call) -> None:
    call()
    answer = client_of(viewer).get(
        f"{URL}?by=endpoint&order=latency&application=shop&range=7d&direction=bottom", headers=HTMX
    )
    told = answer.headers["HX-Push-Url"]
    for part in (
        "by=endpoint",
        "order=latency",
        "application=shop",
        "range=7d",
        "direction=bottom",
    ):
        assert part in told
    assert "<html" not in answer.text
    again = client_of(viewer).get(told).text
    assert '<option value="latency" selected>' in again


def test_costs_stand_beside_and_an_estimate_is_marked(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    client = client_of(viewer)
    assert "≈" not in client.get(URL).text
    lifecycle.set_prices(
        Actor.system("test"), "modelslab", [PriceGiven(pattern="*", per_call=Decimal(2))]
    )
    assert "≈" in client.get(URL).text
    assert "$2.00" in client.get(URL).text
    call(cost_nanos=5 * 10**9, endpoint="/reported")  # the sum of both is an estimate too
    told = client.get(URL).text
    assert "$7.00" in told
    assert "≈" in told


def test_the_slowest_endpoints_need_some_calls_to_be_told(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call(endpoint="/once", latency_ms=90_000.0)
    page = client_of(viewer).get(URL).text
    assert "No endpoint had 10 calls" in page
    for _ in range(10):
        call(endpoint="/slow", latency_ms=2000.0)
    page = client_of(viewer).get(URL).text
    slowest = page[page.index('id="slowest"') : page.index('id="quiet"')]
    assert "/slow" in slowest
    assert "/once" not in slowest


def test_quiet_keys_are_named_with_what_to_do(
    client_of: SignIn, viewer: User, app_key: AppKey, provider_key: ProviderKey
) -> None:
    client = client_of(viewer)
    assert "Every active key older than that was used" in client.get(URL).text
    old = timezone.now() - timedelta(days=40)
    AppKey.objects.update(created_at=old)
    ProviderKey.objects.update(created_at=old, last_used_at=old)
    page = client.get(URL).text
    assert "never used" in page
    assert "can be disabled" in page
    assert "ModelsLab main" in page
    assert "ModelsLab main" not in client.get(f"{URL}?silence=90").text


def test_nothing_to_rank_says_what_to_do(client_of: SignIn, viewer: User) -> None:
    page = client_of(viewer).get(f"{URL}?range=1h").text
    assert "Nothing to rank in the last hour" in page
    assert f'href="{URL}?range=30d"' in page


def test_nobody_ranks_what_they_may_not_see(
    client_of: SignIn, outsider: User, viewer: User, call: Call, app_key: AppKey
) -> None:
    call()
    call(application="elsewhere000", app_key="foreignKey01")
    page = client_of(outsider).get(URL)
    assert "Web" not in page.text
    assert "foreignKey01" not in client_of(viewer).get(URL).text
    for query in ({"application": "shop"}, {"app_key": app_key.pk}):
        assert client_of(outsider).get(URL, query).status_code == 404


ODD = (
    "by=x order=x range=x status=x version=-1 at_least=x silence=9 outcome=x endpoint=%25 "
    "provider=nowhere"
)


@pytest.mark.parametrize("query", ODD.split())
def test_odd_addresses_are_taken_for_what_is_usual(
    client_of: SignIn, viewer: User, call: Call, query: str
) -> None:
    call()
    assert client_of(viewer).get(f"{URL}?{query}").status_code == 200


def test_the_page_costs_the_same_whatever_the_traffic(
    client_of: SignIn,
    viewer: User,
    call: Call,
    application: Application,
    django_assert_num_queries: Callable[..., object],
) -> None:
    client = client_of(viewer)
    call()
    client.get(URL)
    for names in ("ABC", "DEF"):
        # session, user, applications (visible ids, choices), providers; bounds, sums,
        # histograms; keys, first and last use; prices, spend; endpoints: histograms, requests;
        # quiet keys of both kinds; the vault's state; the menu
        with django_assert_num_queries(18):
            client.get(URL)
        for name in names:
            call(app_key=AppKeyFactory(application=application, name=name).pk)
