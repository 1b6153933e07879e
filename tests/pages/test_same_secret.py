"""One secret in several applications: said on the key's page, rotated in one act."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from keys import lifecycle, vault
from keys.audit import Actor
from keys.lifecycle.versions import slot_of
from keys.models import Application, ProviderKey, User
from keys.states import Role, Stage
from tests.factories import (
    ApplicationFactory,
    MembershipFactory,
    ProviderKeyFactory,
    add_version,
)
from tests.pages.conftest import SECRET, page_of
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]
NEW = "the-new-secret-of-the-account"


@pytest.fixture
def other(owner: User) -> Application:
    found: Application = ApplicationFactory(slug="blog", name="Blog")
    MembershipFactory(application=found, user=owner, role=Role.OWNER)
    return found


@pytest.fixture
def twin(other: Application, provider_key: ProviderKey) -> ProviderKey:
    found: ProviderKey = ProviderKeyFactory(application=other, name="Copy", secret=SECRET)
    return found


def opened(key: ProviderKey) -> str:
    version = key.versions.get(stage=Stage.CURRENT)
    return vault.unseal(slot_of(key, version), version.sealed).reveal()


def test_the_page_names_the_other_key_to_those_who_may_see_it(
    client_of: ClientOf, owner: User, viewer: User, provider_key: ProviderKey, twin: ProviderKey
) -> None:
    page = client_of(owner).get(page_of(provider_key)).content.decode()
    assert "The same secret is in use as" in page
    assert reverse("provider_key", args=["blog", twin.pk]) in page
    assert "The same secret" not in client_of(viewer).get(page_of(provider_key)).content.decode()


def test_another_secret_or_a_revoked_key_is_not_the_same(
    provider_key: ProviderKey, twin: ProviderKey, other: Application, owner: User
) -> None:
    ProviderKeyFactory(application=other, secret="another-secret-of-theirs")
    assert lifecycle.same_secret(provider_key) == [twin]
    lifecycle.revoke(Actor.person(owner), twin)
    assert lifecycle.same_secret(provider_key) == []


def test_one_act_rotates_it_in_both_applications(
    client_of: ClientOf,
    owner: User,
    provider: Upstream,
    provider_key: ProviderKey,
    twin: ProviderKey,
) -> None:
    client, url = client_of(owner), page_of(provider_key, "rotate")
    assert "Blog · Copy" in client.get(url).content.decode()
    sent = {"secret": NEW, "overlap": "3600", "elsewhere": [twin.pk]}
    page = client.post(url, sent, follow=True).content.decode()
    assert "uses the new secret now, and so does one of another application" in page
    assert (opened(provider_key), opened(twin)) == (NEW, NEW)


def test_what_is_not_chosen_keeps_its_secret(
    client_of: ClientOf,
    owner: User,
    provider: Upstream,
    provider_key: ProviderKey,
    twin: ProviderKey,
) -> None:
    client_of(owner).post(page_of(provider_key, "rotate"), {"secret": NEW, "overlap": "3600"})
    assert (opened(provider_key), opened(twin)) == (NEW, SECRET)


def test_a_refused_secret_changes_nothing_anywhere(
    client_of: ClientOf,
    owner: User,
    refusing: Upstream,
    provider_key: ProviderKey,
    twin: ProviderKey,
) -> None:
    sent = {"secret": NEW, "overlap": "3600", "elsewhere": [twin.pk]}
    assert client_of(owner).post(page_of(provider_key, "rotate"), sent).status_code == 422
    assert (opened(provider_key), opened(twin)) == (SECRET, SECRET)


def test_one_that_cannot_be_rotated_is_said_and_the_key_itself_is(
    client_of: ClientOf,
    owner: User,
    provider: Upstream,
    provider_key: ProviderKey,
    twin: ProviderKey,
) -> None:
    twin.versions.create(
        number=2, stage=Stage.PENDING, sealed="", fingerprint="x" * 64, last4="wait"
    )
    sent = {"secret": NEW, "overlap": "3600", "elsewhere": [twin.pk]}
    client = client_of(owner)
    page = client.post(page_of(provider_key, "rotate"), sent, follow=True).content.decode()
    assert "Blog · Copy: A rotation of this key is pending" in page
    assert (opened(provider_key), opened(twin)) == (NEW, SECRET)


def test_somebody_elses_key_cannot_be_chosen(
    client_of: ClientOf,
    owner: User,
    provider: Upstream,
    provider_key: ProviderKey,
    twin: ProviderKey,
) -> None:
    owner.memberships.filter(application=twin.application).update(role=Role.DEVELOPER)
    sent = {"secret": NEW, "overlap": "3600", "elsewhere": [twin.pk]}
    client_of(owner).post(page_of(provider_key, "rotate"), sent)
    assert opened(twin) == SECRET


def test_a_secret_that_waits_is_put_into_use_in_both_applications(
    client_of: ClientOf, owner: User, silent: Upstream, provider_key: ProviderKey, twin: ProviderKey
) -> None:
    """What was chosen for the rotation is asked again with its last word."""
    client = client_of(owner)
    sent = {"secret": NEW, "overlap": "3600", "elsewhere": [twin.pk]}
    page = client.post(page_of(provider_key, "rotate"), sent, follow=True).content.decode()
    assert "Blog · Copy: The new secret waits: finish this rotation, and choose this key" in page
    finish = page_of(provider_key, "finish")
    assert "Blog · Copy" in client.get(finish).content.decode()
    client.post(finish, {"elsewhere": [twin.pk]})
    assert (opened(provider_key), opened(twin)) == (NEW, NEW)
    previous = twin.versions.get(stage=Stage.PREVIOUS)
    assert previous.retires_at is not None


def test_a_secret_that_waits_is_put_into_use_here_alone_when_asked(
    client_of: ClientOf, owner: User, silent: Upstream, provider_key: ProviderKey, twin: ProviderKey
) -> None:
    client = client_of(owner)
    client.post(page_of(provider_key, "rotate"), {"secret": NEW, "overlap": "3600"})
    client.post(page_of(provider_key, "finish"), {})
    assert (opened(provider_key), opened(twin)) == (NEW, SECRET)


def test_what_was_ended_here_and_works_there_is_still_to_do(
    client_of: ClientOf, owner: User, provider_key: ProviderKey, twin: ProviderKey
) -> None:
    client = client_of(owner)
    lifecycle.report_compromised(Actor.person(owner), provider_key, reason="it got out")
    page = client.get(page_of(provider_key)).content.decode()
    assert "To do: it still works as" in page and "Blog · Copy" in page
    assert "rotate it there" not in page
    there = client.get(page_of(twin)).content.decode()
    assert page_of(twin, "compromised") in there and "Replace it or end this key" in there


def test_one_does_not_go_back_to_a_secret_that_got_out_elsewhere(
    client_of: ClientOf, owner: User, provider_key: ProviderKey, twin: ProviderKey
) -> None:
    add_version(twin, "another-secret-there", number=2, stage=Stage.PENDING)
    client = client_of(owner)
    twin.versions.filter(number=1).update(stage=Stage.PREVIOUS)
    twin.versions.filter(number=2).update(stage=Stage.CURRENT)
    assert "Go back to the old one" in client.get(page_of(twin)).content.decode()
    lifecycle.report_compromised(Actor.person(owner), provider_key, reason="it got out")
    assert "Go back to the old one" not in client.get(page_of(twin)).content.decode()
