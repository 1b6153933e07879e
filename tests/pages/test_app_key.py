"""An app key's page: create, limits, rotate, revoke."""

from collections.abc import Callable
from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys.models import AppKey, Application, ProviderKey, User
from tests.pages.conftest import page_of

ClientOf = Callable[..., Client]
NEW = {"name": "Web server", "environment": "test", "expires": "30"}


def create(client: Client, **fields: object) -> object:
    return client.post(reverse("app_key_create", args=["shop"]), {**NEW, **fields}, follow=True)


def test_creating_one_lands_on_its_page_and_keeps_what_was_asked(
    client_of: ClientOf, developer: User, provider_key: ProviderKey
) -> None:
    limits = {
        "per_minute": 60,
        "per_month": 9000,
        "methods": ["GET", "POST"],
        "endpoints": "/api/v6/images/*\n/api/v6/video/*",
        "ips": "10.0.0.0/8",
    }
    answer = create(client_of(developer), providers=["modelslab"], **limits)
    key = AppKey.objects.get()
    assert answer.redirect_chain[-1][0].startswith(page_of(key))
    assert (key.environment, key.providers, key.per_minute) == ("test", ["modelslab"], 60)
    assert (key.per_month, key.methods) == (9000, ["GET", "POST"])
    assert key.endpoints == ["/api/v6/images/*", "/api/v6/video/*"]
    assert abs(key.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)


def test_a_day_in_the_past_is_refused_and_the_rest_is_kept(
    client_of: ClientOf, developer: User, application: Application
) -> None:
    answer = create(client_of(developer), expires="custom", expires_on="2020-01-01")
    assert answer.status_code == 422
    assert 'value="Web server"' in answer.content.decode()
    assert "past" in answer.content.decode()
    assert AppKey.objects.count() == 0


def test_a_bad_limit_or_network_is_said_beside_its_field(
    client_of: ClientOf, developer: User, application: Application
) -> None:
    for fields in (
        {"per_minute": "0"},
        {"ips": "not-an-address"},
        {"methods": ["FETCH"]},
        {"expires": "custom"},
    ):
        answer = create(client_of(developer), **fields)
        assert answer.status_code == 422
        assert "invalid-feedback" in answer.content.decode()


def test_an_application_that_shows_keys_once_shows_the_new_one_now_and_never_again(
    client_of: ClientOf, developer: User, application: Application
) -> None:
    Application.objects.update(show_app_keys_once=True)
    client = client_of(developer)
    answer = create(client)
    key = AppKey.objects.get()
    assert f"kd_test_{key.pk}_" in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    page = client.get(page_of(key)).content.decode()
    assert f"kd_test_{key.pk}_••••" in page


def test_rotating_lets_both_work_and_asks_for_the_step_up(
    client_of: ClientOf, developer: User, app_key: AppKey, provider_key: ProviderKey
) -> None:
    stale = client_of(developer, fresh=False)
    assert stale.get(page_of(app_key, "rotate")).status_code == 302
    answer = client_of(developer).post(page_of(app_key, "rotate"), {"overlap": "3600"}, follow=True)
    assert "Two secrets work side by side" in answer.content.decode()
    again = client_of(developer).post(page_of(app_key, "rotate"), {"overlap": "3600"})
    assert again.status_code == 422


def test_a_rotation_from_the_keys_own_page_loads_it_anew(
    client_of: ClientOf, developer: User, app_key: AppKey
) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{page_of(app_key)}"}
    client = client_of(developer)
    answer = client.post(page_of(app_key, "rotate"), {"overlap": "0"}, headers=headers)
    assert answer["HX-Redirect"] == page_of(app_key)


def test_an_overlap_of_ones_own_needs_its_hours(
    client_of: ClientOf, developer: User, app_key: AppKey
) -> None:
    client = client_of(developer)
    answer = client.post(page_of(app_key, "rotate"), {"overlap": "custom"})
    assert "How many hours?" in answer.content.decode()
    client.post(page_of(app_key, "rotate"), {"overlap": "custom", "overlap_hours": "2"})
    ends = app_key.versions.get(stage="previous").retires_at - timezone.now()
    assert timedelta(hours=1, minutes=59) < ends < timedelta(hours=2)


def test_limits_are_changed_by_owners_alone(
    client_of: ClientOf, owner: User, developer: User, app_key: AppKey
) -> None:
    assert client_of(developer).get(page_of(app_key, "limits")).status_code == 403
    client = client_of(owner)
    client.post(page_of(app_key, "limits"), {"per_minute": "60"})
    app_key.refresh_from_db()
    assert app_key.per_minute == 60
    client.post(page_of(app_key, "limits"), {"per_minute": "", "methods": ["GET"]})
    app_key.refresh_from_db()
    assert app_key.per_minute is None
    assert app_key.methods == ["GET"]


def test_all_that_is_wrong_with_limits_is_said_at_once(
    client_of: ClientOf, owner: User, developer: User, app_key: AppKey
) -> None:
    wrong = {
        "per_minute": "0",
        "per_day": "1000000001",
        "endpoints": "images\n/a b",
        "methods": ["FETCH"],
        "ips": "10.0.0.300",
        "dangerous_endpoints": "keys",
    }
    page = client_of(owner).post(page_of(app_key, "limits"), wrong).content.decode()
    for name in wrong:
        assert f'id="id_{name}_error"' in page, name
    assert "images" in page and "no path has" in page  # each line that is wrong
    told = {"name": "sk-live-0123456789abcdef0123456789abcdef", "ips": "nowhere", "endpoints": "x"}
    late = {"expires": "custom", "expires_on": "2020-01-01"}
    page = create(client_of(developer), **told, **late).content.decode()
    for name in (*told, "expires_on"):
        assert f'id="id_{name}_error"' in page, name


def test_revoking_names_the_401_and_ends_the_copy_menu(
    client_of: ClientOf, owner: User, app_key: AppKey, provider_key: ProviderKey
) -> None:
    client = client_of(owner)
    assert "Invalid API key" in client.get(page_of(app_key, "revoke")).content.decode()
    client.post(page_of(app_key, "revoke"))
    app_key.refresh_from_db()
    assert app_key.state == "revoked"
    page = client.get(page_of(app_key)).content.decode()
    assert "Use it in your code" not in page
    assert 'href="' + page_of(app_key, "rotate") not in page


def test_without_a_provider_key_the_page_says_what_to_do_next(
    client_of: ClientOf, owner: User, app_key: AppKey
) -> None:
    page = client_of(owner).get(page_of(app_key)).content.decode()
    assert "No provider key to stand in for yet" in page
    assert "The provider key is what ModelsLab gave you" in page


def test_the_example_of_another_provider_can_be_chosen(
    client_of: ClientOf, viewer: User, app_key: AppKey, provider_key: ProviderKey
) -> None:
    page = client_of(viewer).get(page_of(app_key) + "?provider=openai").content.decode()
    assert "/gateway/openai/v1/chat/completions" in page


def test_a_disabled_one_says_what_calls_get_and_offers_to_enable_it_first(
    client_of: ClientOf, owner: User, developer: User, app_key: AppKey
) -> None:
    told = "This app key is disabled."
    assert told not in client_of(owner).get(page_of(app_key)).content.decode()
    AppKey.objects.update(state="disabled")
    page = client_of(owner).get(page_of(app_key)).content.decode()
    enable = page_of(app_key, "enable")
    assert told in page
    assert page.index(enable) < page.index("Copy the key")
    theirs = client_of(developer).get(page_of(app_key)).content.decode()
    assert (told in theirs, "which an owner can do" in theirs, enable in theirs) == (
        True,
        True,
        False,
    )
