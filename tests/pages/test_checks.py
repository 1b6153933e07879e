"""The checks page: what it lists, what it tells of probes, lag and incidents, and its runs."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys import probe_counts, sweeping
from keys.models import Application, CheckRun, Incident, Provider, ProviderKey, User
from tests.factories import ApplicationFactory, ProviderKeyFactory
from tests.health.many import provider_keys
from tests.pages.conftest import page_of
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]


@pytest.fixture
def incident(provider_key: ProviderKey) -> Incident:
    now = timezone.now()
    ProviderKey.objects.filter(pk=provider_key.pk).update(next_check_at=now + timedelta(minutes=1))
    return Incident.objects.create(
        provider="modelslab",
        opened_at=now,
        last_unclear_at=now,
        keys_affected=1,
        evidence={"status": 503, "code": "", "message": "Service unavailable"},
    )


def text_of(client: Client, address: str = "/checks/") -> str:
    return " ".join(client.get(address).content.decode().split())


def test_probes_and_their_cost_are_told(
    client_of: ClientOf, developer: User, provider_key: ProviderKey
) -> None:
    probe_counts.add(["modelslab"] * 3 + ["openai"])
    page = text_of(client_of(developer))
    assert '<strong class="text-body">3</strong> probes in 7 days' in page
    assert 'cost <strong class="text-body">0</strong> credits' in page
    cards = text_of(client_of(developer), "/providers/")
    assert "3 in 7 days</a>, cost 0" in cards


def test_what_is_behind_is_told(
    client_of: ClientOf, developer: User, provider_key: ProviderKey
) -> None:
    client = client_of(developer)
    assert "nothing is behind" in text_of(client)
    ProviderKey.objects.update(next_check_at=timezone.now() - timedelta(seconds=2))
    assert "1 due now" in text_of(client)
    ProviderKey.objects.update(next_check_at=timezone.now() - timedelta(minutes=9))
    assert "1 key behind, the oldest due" in text_of(client)


def test_a_key_that_cannot_be_checked_for_free_says_so(
    client_of: ClientOf, developer: User, application: Application
) -> None:
    Provider.objects.create(
        slug="dear", name="Dear", base_url="https://d.example", credential_in="bearer"
    )
    key = ProviderKeyFactory(application=application, provider="dear")
    client = client_of(developer)
    for address in ("/checks/", "/providers/", page_of(key)):
        assert "cannot be checked for free" in text_of(client, address)


@pytest.mark.parametrize("cause", ["provider", "network"])
def test_an_incident_is_told_where_its_keys_are(
    client_of: ClientOf, developer: User, provider_key: ProviderKey, incident: Incident, cause: str
) -> None:
    Incident.objects.update(cause=cause)
    words = {
        "provider": "ModelsLab gives no clear answers",
        "network": "No provider answers: Keydeck’s own network seems to be away",
    }
    client = client_of(developer)
    for address in ("/", "/checks/", page_of(provider_key)):
        page = text_of(client, address)
        assert words[cause] in page
        assert "HTTP 503 · Service unavailable" in page
    Incident.objects.update(closed_at=timezone.now())
    assert words[cause] not in text_of(client, page_of(provider_key))
    assert "Latest incidents" in text_of(client)


def test_an_incident_of_a_provider_one_has_no_key_of_is_not_told(
    client_of: ClientOf, outsider: User, incident: Incident
) -> None:
    for address in ("/", "/checks/"):
        assert "no clear answers" not in text_of(client_of(outsider), address)


def test_the_list_comes_in_pages_and_costs_the_same_for_any_number_of_keys(
    client_of: ClientOf,
    developer: User,
    application: Application,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    provider_keys(application, 120, timezone.now() + timedelta(minutes=1), sealed=False)
    client = client_of(developer)
    with django_assert_max_num_queries(40):  # type: ignore[attr-defined]
        page = text_of(client)
    assert "1–50 of 120" in page
    assert "51–100 of 120" in text_of(client, "/checks/?page=2")


def test_all_of_a_filter_are_checked_and_the_page_tells_how_far_it_is(
    client_of: ClientOf, developer: User, application: Application, provider: Upstream
) -> None:
    for _ in range(2):
        ProviderKeyFactory(application=application)
    ProviderKeyFactory(application=application, provider="openai")
    client = client_of(developer)
    shop = {"provider": "modelslab", "application": "shop", "all": "1", "key": ["another"]}
    begun = client.post(reverse("checks_start"), shop)
    run = CheckRun.objects.get()
    assert begun.headers["Location"] == reverse("check_run", args=[run.pk])
    assert run.scope == "Shop · modelslab"
    page = text_of(client, begun.headers["Location"])
    assert "0 of 2 checked" in page
    assert "Waiting for the worker" in page
    sweeping.check_due()
    part = client.get(begun.headers["Location"], headers={"HX-Request": "true"}).content.decode()
    assert "2 of 2 checked" in part
    assert "<html" not in part
    assert "hx-get" not in part


def test_ticked_keys_are_checked_and_what_is_not_live_is_named(
    client_of: ClientOf, developer: User, provider_key: ProviderKey, refusing: Upstream
) -> None:
    ProviderKeyFactory(application=provider_key.application)
    client = client_of(developer)
    begun = client.post(reverse("checks_start"), {"key": [provider_key.pk]})
    sweeping.check_due()
    page = text_of(client, begun.headers["Location"])
    assert "1 of 1 checked" in page
    assert "Not clearly live" in page
    assert "Invalid API key" in page


def test_nothing_to_check_is_said(
    client_of: ClientOf, developer: User, viewer: User, provider_key: ProviderKey
) -> None:
    client = client_of(developer)
    for sent in ({}, {"key": ["nobodys"]}, {"all": "1", "provider": "nobodys"}):
        answer = client.post(reverse("checks_start"), sent, follow=True)
        assert "No key is chosen that you may have checked" in answer.content.decode()
    ProviderKey.objects.update(provider="dear")
    answer = client.post(reverse("checks_start"), {"all": "1"}, follow=True)
    assert "None of these keys can be checked for free" in answer.content.decode()
    assert (
        client_of(viewer).post(reverse("checks_start"), {"application": "shop"}).status_code == 403
    )
    client_of(viewer).post(reverse("checks_start"), {"key": [provider_key.pk]})
    assert not CheckRun.objects.exists()


def test_a_run_of_somebody_else_is_not_there(
    client_of: ClientOf, developer: User, owner: User, provider_key: ProviderKey
) -> None:
    begun = client_of(owner).post(reverse("checks_start"), {"all": "1"})
    assert client_of(developer).get(begun.headers["Location"]).status_code == 404


def test_the_timeline_counts_what_says_the_same_again(
    client_of: ClientOf, developer: User, provider_key: ProviderKey
) -> None:
    now = timezone.now()
    provider_key.checks.create(
        version=1, first_at=now - timedelta(hours=3), at=now, times=14, via="probe", meaning="live"
    )
    page = text_of(client_of(developer), page_of(provider_key))
    assert "the same 14 times since" in page


def test_the_timeline_says_why_a_verdict_moved_or_did_not(
    client_of: ClientOf, developer: User, provider_key: ProviderKey, refusing: Upstream
) -> None:
    client = client_of(developer)
    client.post(reverse("provider_key_check", args=["shop", provider_key.pk]))
    page = text_of(client, page_of(provider_key))
    assert "first refusal: a second one a minute later decides" in page


def test_keys_of_an_application_where_one_may_not_check_stay_out(
    client_of: ClientOf, developer: User, provider_key: ProviderKey
) -> None:
    ProviderKeyFactory(application=ApplicationFactory(slug="other"))
    client_of(developer).post(reverse("checks_start"), {"all": "1"})
    assert CheckRun.objects.get().total == 1


def test_a_verdict_that_asks_for_somebody_says_since_when_and_what_to_do(
    client_of: ClientOf, developer: User, provider_key: ProviderKey
) -> None:
    since = timezone.now() - timedelta(hours=3)
    ProviderKey.objects.update(verdict="exhausted", verdict_at=since, next_check_at=None)
    page = text_of(client_of(developer))
    assert f'since <time datetime="{since.isoformat()}"' in page
    assert "What to do: Add credits or upgrade the plan at ModelsLab." in page
    ProviderKey.objects.update(verdict="live")
    page = text_of(client_of(developer))
    assert "What to do:" not in page
    assert "since <time" not in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("application=nowhere", "no application “nowhere” to choose"),
        ("provider=nowhere", "no provider “nowhere” to choose"),
        ("page=x", "no page “x” to choose here. This is page 1 of 1"),
        ("page=7", "no page “7” to choose"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told(
    query: str, words: str, client_of: ClientOf, developer: User, provider_key: ProviderKey
) -> None:
    page = text_of(client_of(developer), f"/checks/?{query}")
    assert words in page
    assert provider_key.name in page
    assert "to choose here" not in text_of(client_of(developer), "/checks/?page=1&provider=openai")
