"""Applications: the list, a new one, one with its keys, members and policy."""

from collections.abc import Callable

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from keys.models import Application, Membership, User
from tests.factories import AppKeyFactory, ApplicationFactory, MembershipFactory, ProviderKeyFactory

ClientOf = Callable[..., Client]
PEOPLE = "/applications/shop/people/"


def test_the_list_shows_mine_alone(client_of: ClientOf, viewer: User) -> None:
    ApplicationFactory(slug="theirs", name="Their secret project")
    page = client_of(viewer).get(reverse("applications")).content.decode()
    assert "Shop" in page
    assert "Their secret project" not in page


def test_an_empty_list_says_what_to_do(client_of: ClientOf, outsider: User) -> None:
    page = client_of(outsider).get(reverse("applications")).content.decode()
    assert "No application yet" in page
    assert reverse("application_create") in page


@pytest.mark.parametrize("name", ["applications", "application", "checks", "overview"])
def test_the_number_of_queries_does_not_depend_on_the_number_of_keys(
    name: str,
    client_of: ClientOf,
    owner: User,
    application: Application,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = client_of(owner)
    url = reverse(name, args=["shop"] if name == "application" else [])

    def more() -> None:
        ProviderKeyFactory(application=application, verdict="dead")
        AppKeyFactory(application=application)

    more()
    client.get(url)
    with django_assert_num_queries(30, exact=False) as first:
        client.get(url)
    for _ in range(5):
        more()
    with django_assert_num_queries(len(first)):
        client.get(url)


def test_making_one_makes_me_its_owner(client_of: ClientOf, outsider: User) -> None:
    answer = client_of(outsider).post(
        reverse("application_create"), {"name": "Back office"}, follow=True
    )
    assert "Connect the first provider" in answer.content.decode()
    made = Membership.objects.get(user=outsider)
    assert (made.role, made.application.slug) == ("owner", "back-office")


def test_a_taken_or_reserved_short_name_is_said(client_of: ClientOf, owner: User) -> None:
    client = client_of(owner)
    for slug in ("shop", "new"):
        answer = client.post(reverse("application_create"), {"name": "Other", "slug": slug})
        assert answer.status_code == 422
        assert 'value="Other"' in answer.content.decode()


def test_policy_is_saved_by_owners(client_of: ClientOf, owner: User, developer: User) -> None:
    url = reverse("application_policy", args=["shop"])
    data = {"developers_copy_provider_keys": "on"}
    assert client_of(developer).post(url, data).status_code == 403
    client_of(owner).post(url, data)
    shop = Application.objects.get()
    assert shop.developers_copy_provider_keys
    assert not shop.show_app_keys_once


def test_somebody_new_gets_a_mail_with_a_link_that_sets_a_password(
    client_of: ClientOf, owner: User
) -> None:
    data = {"email": "new@example.com", "role": "developer"}
    client_of(owner).post(f"{PEOPLE}add/", data)
    link = mail.outbox[0].body.split()[-1]
    path = link.partition("://")[2].partition("/")[2]
    browser = Client()
    form = browser.get(f"/{path}", follow=True)
    assert "Choose a password" in form.content.decode()
    words = {"password1": "four words are fine here", "password2": "four words are fine here"}
    browser.post(form.redirect_chain[-1][0], words)
    assert User.objects.get(email="new@example.com").check_password("four words are fine here")


def test_the_last_owner_stays(client_of: ClientOf, owner: User, developer: User) -> None:
    client = client_of(owner)
    mine = Membership.objects.get(user=owner)
    other = Membership.objects.get(user=developer)
    refused = client.post(f"{PEOPLE}{mine.pk}/remove/")
    assert refused.status_code == 422
    assert "at least one owner" in refused.content.decode()
    client.post(f"{PEOPLE}{other.pk}/role/", {"role": "owner"})
    client.post(f"{PEOPLE}{mine.pk}/remove/")
    assert list(Membership.objects.values_list("role", flat=True)) == ["owner"]


def test_members_need_the_step_up(client_of: ClientOf, owner: User) -> None:
    client = client_of(owner, fresh=False)
    mine = Membership.objects.get(user=owner)
    for url in (f"{PEOPLE}add/", f"{PEOPLE}{mine.pk}/role/", f"{PEOPLE}{mine.pk}/remove/"):
        assert client.get(url).status_code == 302
    data = {"email": "new@example.com", "role": "owner"}
    assert client.post(f"{PEOPLE}add/", data).status_code == 422
    assert not User.objects.filter(email="new@example.com").exists()


def test_a_membership_of_another_application_is_not_found(client_of: ClientOf, owner: User) -> None:
    other = MembershipFactory()
    assert client_of(owner).get(f"{PEOPLE}{other.pk}/remove/").status_code == 404
