"""The usage panel: its figures, its empty state, its range, and who may see it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from keys.models import AppKey, Application, PriceList, ProviderKey, User
from tests.factories import AppKeyFactory
from tests.pages_usage.conftest import Call
from usage.events import Attempt, Outcome
from usage.templatetags.traffic import latency, money

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
PANEL = "/usage/panel/?application=shop"
SignIn = Callable[..., Client]


def test_without_calls_it_says_what_to_do_next(client_of: SignIn, viewer: User) -> None:
    page = client_of(viewer).get(PANEL, headers=HTMX).text
    assert "No calls yet" in page
    assert "Copy an app key" in page
    assert reverse("application", args=["shop"]) not in page  # it stands on that very page


def test_a_provider_key_without_calls_leads_to_the_app_keys(
    client_of: SignIn, viewer: User, provider_key: ProviderKey
) -> None:
    panel = f"/usage/panel/?provider_key={provider_key.pk}"
    page = client_of(viewer).get(panel, headers=HTMX).text
    assert reverse("application", args=["shop"]) in page


def test_it_shows_requests_error_rate_latency_and_the_latest_calls(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    call()
    call(outcome=Outcome.KEY_ERROR, status=401, code="key_invalid")
    denied = call(outcome=Outcome.DENIED, status=429, code="rate_limited")
    page = client_of(viewer).get(PANEL, headers=HTMX).text
    assert "33.3 %" in page  # of the three that were answered
    assert "1 error of 3 answered" in page
    assert "4 requests in the last 24 hours: 2 OK, 1 key error, 1 denied." in page
    assert reverse("call", args=[denied.id]) in page


def test_a_cost_has_a_tile_once_a_provider_reported_one(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    assert "Cost" not in client_of(viewer).get(PANEL, headers=HTMX).text
    call(cost_nanos=1_204_500_000_000)
    page = client_of(viewer).get(PANEL, headers=HTMX).text
    assert "$1,204.50" in page
    assert "where a provider reported it" in page


@pytest.mark.parametrize(
    ("dollars", "words"),
    [
        (1204.5, "$1,204.50"),
        (1.0, "$1.00"),
        (0.5, "$0.500"),
        (0.03125, "$0.0312"),
        (1.5e-8, "$0.0000000150"),
        (1e-9, "$0.00000000100"),
        (0.0, "$0.00"),
    ],
)
def test_money_never_reads_as_nothing(dollars: float, words: str) -> None:
    assert money(dollars) == words


def test_a_remedy_stands_beside_each_cause(client_of: SignIn, viewer: User, call: Call) -> None:
    call(outcome=Outcome.KEY_ERROR, status=200, code="key_exhausted")
    call(outcome=Outcome.UPSTREAM_ERROR, status=503)
    page = client_of(viewer).get(PANEL, headers=HTMX).text
    assert "Add credits at the provider" in page
    assert "try again later" in page
    assert "/calls/?application=shop&amp;range=24h&amp;outcome=key_error&amp;status=200" in page


def test_a_key_shows_its_own_calls_alone(
    client_of: SignIn, viewer: User, call: Call, application: Application
) -> None:
    other = AppKeyFactory(application=application)
    call()
    call(app_key=other.id)
    page = client_of(viewer).get(f"{PANEL}&app_key={other.id}", headers=HTMX).text
    assert "1 request in the last 24 hours" in page


def test_a_key_used_long_ago_shows_when(
    client_of: SignIn, viewer: User, call: Call, app_key: AppKey
) -> None:
    call(ago=timedelta(hours=5))
    page = client_of(viewer).get(f"{PANEL}&app_key={app_key.id}&range=1h", headers=HTMX).text
    assert "No requests in the last hour." in page
    assert "No calls yet" not in page


@pytest.mark.parametrize("name", ["usage_panel", "usage_data", "usage_table"])
def test_outsiders_get_404(
    client_of: SignIn,
    outsider: User,
    application: Application,
    app_key: AppKey,
    provider_key: ProviderKey,
    name: str,
) -> None:
    client = client_of(outsider)
    for query in (
        {"application": "shop"},
        {"app_key": app_key.id},
        {"provider_key": provider_key.id},
        {"application": "nowhere"},
    ):
        assert client.get(reverse(name), query).status_code == 404


def test_a_key_of_another_application_is_not_found(
    client_of: SignIn, viewer: User, application: Application
) -> None:
    foreign = AppKeyFactory()
    assert client_of(viewer).get(f"{PANEL}&app_key={foreign.id}").status_code == 404


def test_opened_directly_it_is_a_page(client_of: SignIn, viewer: User, call: Call) -> None:
    call()
    page = client_of(viewer).get(PANEL).text
    assert "<html" in page
    assert "data-usage-panel" in page


def test_a_fragment_takes_the_range_of_the_page_around_it(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    around = {**HTMX, "HX-Current-URL": "http://testserver/applications/shop/?range=7d"}
    answer = client_of(viewer).get(PANEL, headers=around)
    assert "in the last 7 days" in answer.text
    assert "HX-Replace-Url" not in answer.headers


def test_a_chosen_range_goes_into_the_pages_address(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    around = {**HTMX, "HX-Current-URL": "http://testserver/applications/shop/?tab=keys"}
    answer = client_of(viewer).get(f"{PANEL}&range=1h", headers=around)
    assert answer.headers["HX-Replace-Url"] == "/applications/shop/?tab=keys&range=1h"


def test_the_overview_names_the_busiest_of_the_applications_one_sees(
    client_of: SignIn, viewer: User, admin: User, outsider: User, call: Call
) -> None:
    call()
    call(application="elsewhere000", app_key="", provider_key="")
    url = reverse("traffic_overview")
    assert "2 requests" in client_of(admin).get(url).text
    mine = client_of(viewer).get(url).text
    assert "1 request in" in mine
    assert "Busiest applications" in mine
    assert "No calls yet" in client_of(outsider).get(url).text


def test_the_figures_come_as_a_table(client_of: SignIn, viewer: User, call: Call) -> None:
    call()
    call(outcome=Outcome.CALLER_ERROR, status=400)
    page = client_of(viewer).get(f"{reverse('usage_table')}?application=shop").text
    assert "<caption" in page
    assert page.count('<th scope="row"') == 1
    assert "Caller error" in page
    assert "Key error" not in page


def test_a_panel_costs_the_same_queries_whatever_the_traffic(
    client_of: SignIn, viewer: User, call: Call, django_assert_num_queries: Callable[..., object]
) -> None:
    for outcome in Outcome:
        call(outcome=outcome, status=0 if outcome is Outcome.ABORTED else 500)
    client = client_of(viewer)
    # session, user, application, role; counts of the range and the time before,
    # prices, latest calls, codes; three of names
    for length in ("1h", "24h", "7d", "30d"):
        with django_assert_num_queries(11):
            client.get(f"{PANEL}&range={length}", headers=HTMX)
    PriceList.objects.create(provider="modelslab", rows=[["*", 1, 0, 0]])
    with django_assert_num_queries(12):
        client.get(f"{PANEL}&range=7d", headers=HTMX)


def test_several_causes_behind_one_status_have_a_remedy_each(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    for code in ("quota_exceeded", "quota_exceeded", "pool_full"):
        call(outcome=Outcome.DENIED, status=429, code=code)
    page = client_of(viewer).get(PANEL, headers=HTMX).text
    day, full = page.index("<code>quota_exceeded</code>"), page.index("<code>pool_full</code>")
    assert day < full


def test_a_key_that_calls_were_passed_on_from_says_so(
    client_of: SignIn,
    viewer: User,
    call: Call,
    provider_key: ProviderKey,
) -> None:
    refused = Attempt(
        provider_key=provider_key.pk,
        provider_key_version=1,
        outcome=Outcome.RATE_LIMITED,
        code="rate_limited",
        status=429,
    )
    for _ in range(3):
        latest = call(provider_key="anotherKey12", provider=provider_key.provider, tried=(refused,))
    client, url = client_of(viewer), f"{PANEL}&provider_key={provider_key.pk}"
    page = client.get(url, headers=HTMX).text
    told = page[page.index("Passed on to another key") : page.index("What went wrong")]
    assert reverse("call", args=[latest.id]) in told
    assert "HTTP 429" in told and ">3<" in told
    assert "Passed on" not in client.get(PANEL, headers=HTMX).text


def test_percentiles_that_are_not_kept_per_version_say_so(
    client_of: SignIn, viewer: User, call: Call, app_key: AppKey
) -> None:
    call(app_key_version=2)
    client, of_version = client_of(viewer), f"{PANEL}&app_key={app_key.id}&version=2"
    page = client.get(of_version, headers=HTMX).text
    assert "Percentiles are not kept per version." in page
    assert "Percentiles are not kept" not in client.get(PANEL, headers=HTMX).text
    table = reverse("usage_table")
    assert "p95" not in client.get(of_version.replace("/usage/panel/", table)).text
    ranked = client.get(f"/rankings/?app_key={app_key.id}&by=version").text
    assert "Latencies are not kept per version." in ranked


@pytest.mark.parametrize(
    ("ms", "words"), [(0.42, "0.42 ms"), (12, "12 ms"), (1200, "1.20 s"), (2000, "2.00 s")]
)
def test_latencies_below_each_other_have_as_many_digits(ms: float, words: str) -> None:
    assert latency(ms) == words


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("outcome=sad", "no outcome “sad” to choose"),
        ("status=many", "no HTTP status “many” to choose"),
        ("range=ever", "no range “ever” to choose"),
        ("version=2", "choose the key, too"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told(
    client_of: SignIn, viewer: User, call: Call, query: str, words: str
) -> None:
    call()
    client = client_of(viewer)
    for name in ("usage_panel", "usage_table"):
        assert words in client.get(f"{reverse(name)}?{query}").text, name
    answer = client.get(f"{reverse('usage_data')}?{query}")
    assert (answer.status_code, words in answer.json()["error"]) == (422, True)


def test_a_range_of_the_page_around_that_there_is_not_is_told(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    around = {"HX-Request": "true", "HX-Current-URL": "http://testserver/?range=ever"}
    page = client_of(viewer).get(reverse("usage_panel"), headers=around).text
    assert "no range “ever” to choose" in page
