"""Providers and checks: what is known of each, and a site admin's own ones."""

from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from keys.models import Application, Provider, ProviderKey, User
from tests.factories import ProviderKeyFactory
from tests.outbound import spellings
from tests.pages.conftest import page_of

ClientOf = Callable[..., Client]
WEATHER = {
    "name": "Weather",
    "slug": "weather",
    "base_url": "https://api.weather.example",
    "credential_in": "query",
    "credential_name": "appid",
    "probe_method": "",
    "probe_path": "",
}


def test_the_built_in_ones_say_where_the_key_goes_and_how_they_are_checked(
    client_of: ClientOf, viewer: User
) -> None:
    page = client_of(viewer).get("/providers/").content.decode()
    for words in (
        "ModelsLab",
        "OpenAI",
        "Anthropic",
        "JSON member key",
        "POST /api/wallet_balance",
    ):
        assert words in page
    assert "Describe a provider" not in page


def test_a_site_admin_describes_one_and_goes_on_to_connect_it(
    client_of: ClientOf, admin: User, application: Application
) -> None:
    answer = client_of(admin).post("/providers/new/", WEATHER, follow=True)
    assert answer.redirect_chain[-1][0] == "/connect/?provider=weather"
    assert '<option value="weather" selected>' in answer.content.decode()
    page = client_of(admin).get("/providers/").content.decode()
    assert "parameter appid" in page
    assert "be checked for free" in page


def test_bad_descriptions_are_refused_beside_the_field_and_kept(
    client_of: ClientOf, admin: User
) -> None:
    for change in (
        {"base_url": "http://api.weather.example"},
        {"credential_name": "two words"},
        {"slug": "modelslab"},
        {"probe_method": "GET", "probe_path": "no-slash"},
    ):
        answer = client_of(admin).post("/providers/new/", {**WEATHER, **change})
        assert answer.status_code == 422, change
        assert 'value="Weather"' in answer.content.decode()
    assert Provider.objects.count() == 0


def test_everything_that_is_missing_is_said_at_once(client_of: ClientOf, admin: User) -> None:
    given = {"name": "", "slug": "", "base_url": "", "credential_name": "", "probe_method": "GET"}
    answer = client_of(admin).post("/providers/new/", {**WEATHER, **given})
    wrong = {"name", "base_url", "credential_name", "probe_path"}
    assert set(answer.context["form"].errors) == wrong


def test_the_short_name_is_made_from_the_name(client_of: ClientOf, admin: User) -> None:
    client = client_of(admin)
    for name in ("Open Weather", "Open Weather", "OpenAI"):
        assert (
            client.post("/providers/new/", {**WEATHER, "name": name, "slug": ""}).status_code == 302
        )
    slugs = set(Provider.objects.values_list("slug", flat=True))
    assert slugs == {"open-weather", "open-weather-2", "openai-2"}


def test_describing_one_needs_the_step_up(client_of: ClientOf, admin: User) -> None:
    client = client_of(admin, fresh=False)
    assert client.get("/providers/new/").status_code == 302
    assert client.post("/providers/new/", WEATHER).status_code == 422
    assert Provider.objects.count() == 0


def test_the_checks_page_lists_the_worst_first_and_offers_a_check(
    client_of: ClientOf, developer: User, application: Application, provider_key: ProviderKey
) -> None:
    dead = ProviderKeyFactory(application=application, name="Broken", verdict="dead")
    page = client_of(developer).get("/checks/").content.decode()
    assert page.index("Broken") < page.index("Main account")
    assert page_of(dead, "check") in page


def test_a_viewer_sees_the_checks_without_the_button(
    client_of: ClientOf, viewer: User, provider_key: ProviderKey
) -> None:
    page = client_of(viewer).get("/checks/?application=shop").content.decode()
    assert "Main account" in page
    assert page_of(provider_key, "check") not in page
    url = reverse("provider_key_check", args=["shop", provider_key.pk])
    assert client_of(viewer).post(url).status_code == 403


def test_a_private_address_is_refused_with_the_way_to_let_it_through(
    client_of: ClientOf, admin: User
) -> None:
    browser = client_of(admin)
    for texts in spellings.LITERALS.values():
        given = {**WEATHER, "base_url": f"https://{texts[0]}"}
        assert browser.post("/providers/new/", given).status_code == 422, texts[0]
    page = browser.post("/providers/new/", {**WEATHER, "base_url": "https://10.0.0.1"})
    assert "KEYDECK_OUTBOUND_ALLOW=10.0.0.1:443" in page.content.decode()
    assert not Provider.objects.exists()


def test_only_what_must_be_filled_in_has_a_star(client_of: ClientOf, admin: User) -> None:
    page = client_of(admin).get(reverse("provider_create")).content.decode()
    for name, star in (
        ("credential_name", True),
        ("probe_path", True),
        ("credential_prefix", False),
    ):
        label = page.partition(f'for="id_{name}"')[0].rpartition("<label")[2]
        assert ("required" in label) is star, name
