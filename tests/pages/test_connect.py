"""One form, application, provider and secret, makes both keys and lands on the snippet."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from keys.models import AppKey, Application, ProviderKey, User
from keys.states import Role
from tests.factories import ApplicationFactory, MembershipFactory, ProviderKeyFactory
from tests.pages.conftest import LIVE, SECRET, page_of
from tests.upstream import Upstream

ClientOf = Callable[..., Client]


def connect(client: Client, secret: str = SECRET, **fields: str) -> object:
    data = {"application": "shop", "provider": "modelslab", "secret": secret, **fields}
    return client.post(reverse("connect"), data, follow=True)


def test_it_makes_both_keys_and_lands_on_the_snippet(
    client_of: ClientOf, owner: User, provider: Upstream
) -> None:
    answer = connect(client_of(owner))
    page = answer.content.decode()
    key, app_key = ProviderKey.objects.get(), AppKey.objects.get()
    assert (key.verdict, app_key.providers) == ("live", ["modelslab"])
    assert answer.redirect_chain[-1][0].startswith(page_of(app_key))
    assert "is live: ModelsLab accepts it" in page
    assert "/gateway/modelslab/api/v6/images/text2img" in page
    assert SECRET not in page


def test_a_wrong_secret_lands_where_it_is_replaced_with_one_clear_message(
    client_of: ClientOf, owner: User, refusing: Upstream
) -> None:
    answer = connect(client_of(owner))
    page, key = answer.content.decode(), ProviderKey.objects.get()
    assert key.verdict == "dead"
    assert answer.redirect_chain[-1][0] == page_of(key)
    assert page.count("rejected by the provider") == 1
    assert "until the secret is replaced" in page
    assert page.count("alert-success") == 0
    assert "ready" not in page
    rotation = client_of(owner).get(page_of(key, "rotate")).content.decode()
    assert '<input type="hidden" name="overlap" value="0"' in rotation


def test_its_app_key_says_why_it_cannot_work_and_who_mends_it(
    client_of: ClientOf, owner: User, viewer: User, refusing: Upstream
) -> None:
    connect(client_of(owner))
    key, app_key = ProviderKey.objects.get(), AppKey.objects.get()
    page = client_of(owner).get(page_of(app_key)).content.decode()
    assert "The provider rejects" in page
    assert page_of(key, "rotate") in page
    assert page_of(key, "rotate") not in client_of(viewer).get(page_of(app_key)).content.decode()
    ProviderKeyFactory(application=key.application, provider="modelslab", verdict="live")
    assert "The provider rejects" not in client_of(owner).get(page_of(app_key)).content.decode()


def test_an_application_is_made_in_the_same_act(
    client_of: ClientOf, developer: User, provider: Upstream
) -> None:
    answer = connect(client_of(developer), application="new", application_name="Back office")
    made = Application.objects.get(name="Back office")
    assert made.memberships.get().user == developer
    assert AppKey.objects.get().application == made
    assert answer.redirect_chain[-1][0].startswith(page_of(AppKey.objects.get()))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"application_name": ""}, "What is it called?"),
        ({"application_name": "!!!"}, "letters and digits"),
        ({"application_name": "Back office", "secret": "two words"}, "whitespace"),
    ],
)
def test_nothing_is_made_when_a_part_of_it_is_wrong(
    fields: dict[str, str], words: str, client_of: ClientOf, owner: User, provider: Upstream
) -> None:
    answer = connect(client_of(owner), application="new", **fields)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Application.objects.filter(name__in=["Back office", "!!!"]).exists()


def test_whitespace_around_the_secret_is_taken_off_and_said(
    client_of: ClientOf, owner: User, provider: Upstream
) -> None:
    page = connect(client_of(owner), f"  {SECRET}\n").content.decode()
    assert "around the secret were taken off" in page
    assert provider.requests[0].json()["key"] == SECRET


def test_the_same_secret_twice_links_to_the_existing_key(
    client_of: ClientOf, owner: User, provider: Upstream, provider_key: ProviderKey
) -> None:
    answer = connect(client_of(owner))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "already here" in page
    assert page_of(provider_key) in page
    assert SECRET not in page
    assert AppKey.objects.count() == 0


def test_bad_input_is_said_beside_the_field_and_the_choice_is_kept(
    client_of: ClientOf, owner: User, provider: Upstream
) -> None:
    answer = connect(client_of(owner), "two words", provider="openai")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "whitespace" in page
    assert '<option value="openai" selected>' in page
    assert "two words" not in page


def test_only_applications_whose_provider_keys_one_manages_are_offered(
    client_of: ClientOf, owner: User, developer: User, provider: Upstream
) -> None:
    client = client_of(developer)
    page = client.get(reverse("connect")).content.decode()
    assert "New application…" in page
    assert 'value="shop"' not in page
    assert connect(client).status_code == 422
    assert ProviderKey.objects.count() == 0
    assert 'value="shop"' in client_of(owner).get(reverse("connect")).content.decode()


def test_no_application_is_chosen_unless_it_was_asked_for(client_of: ClientOf, owner: User) -> None:
    client = client_of(owner)
    assert '<option value="" selected>' in client.get(reverse("connect")).content.decode()
    page = client.get(f"{reverse('connect')}?application=shop").content.decode()
    assert '<option value="shop" selected>' in page


def test_both_keys_are_explained_in_the_same_words_in_form_and_empty_state(
    client_of: ClientOf, owner: User, application: Application
) -> None:
    words = (
        "The provider key is what ModelsLab gave you; it stays here. "
        "The app key is what Keydeck gives your code; it stands in for the provider key."
    )
    client = client_of(owner)
    for url in (reverse("connect"), reverse("application", args=["shop"]), reverse("checks")):
        assert words in client.get(url).content.decode()


def test_an_application_that_shows_keys_once_shows_it_now(
    client_of: ClientOf, owner: User, provider: Upstream, application: Application
) -> None:
    Application.objects.update(show_app_keys_once=True)
    answer = connect(client_of(owner))
    assert "Copy " in answer.content.decode()
    assert "kd_live_" in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"


def test_a_right_secret_after_a_wrong_one_lands_on_the_snippet_after_all(
    client_of: ClientOf, owner: User, refusing: Upstream
) -> None:
    client = client_of(owner)
    connect(client)
    key, app_key = ProviderKey.objects.get(), AppKey.objects.get()
    refusing.answer(200, LIVE)
    answer = client.post(page_of(key, "rotate"), {"secret": "another-right-one", "overlap": "0"})
    assert answer.headers["Location"] == page_of(app_key)


def test_an_app_key_pasted_as_a_providers_is_not_sent_to_the_provider(
    client_of: ClientOf, owner: User, provider: Upstream
) -> None:
    answer = connect(client_of(owner), secret="kd_live_TVS2h7YS3VkO_abc")
    assert "paste the key that the provider gave you" in answer.content.decode()
    assert provider.requests == []
    assert not ProviderKey.objects.exists()


def test_applications_of_one_name_can_be_told_apart(client_of: ClientOf, owner: User) -> None:
    MembershipFactory(
        application=ApplicationFactory(slug="shop-2", name="Shop"), user=owner, role=Role.OWNER
    )
    page = client_of(owner).get(reverse("connect")).content.decode()
    assert ">Shop (shop)<" in page
    assert ">Shop (shop-2)<" in page


def test_the_form_costs_the_same_for_many_applications(
    client_of: ClientOf, owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(owner)
    client.get(reverse("connect"))
    with django_assert_num_queries(20, exact=False) as first:
        client.get(reverse("connect"))
    for _ in range(5):
        MembershipFactory(application=ApplicationFactory(), user=owner, role=Role.OWNER)
    with django_assert_num_queries(len(first)):
        client.get(reverse("connect"))
