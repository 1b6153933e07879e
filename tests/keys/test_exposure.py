"""Who has seen which secret: told on the key's page, and when somebody leaves."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from keys import exposure, lifecycle
from keys.audit import Actor
from keys.models import AppKey, Application, ProviderKey, User
from tests.keys.conftest import Acme

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]


@pytest.fixture
def provider_key(acme: Acme, actor: Actor, application: Application) -> ProviderKey:
    secret = acme.knows("first-secret-of-acme")
    return lifecycle.add_provider_key(
        actor, application, name="Main", provider="acme", secret=secret
    )


@pytest.fixture
def app_key(actor: Actor, application: Application) -> AppKey:
    return lifecycle.create_app_key(actor, application, name="Web")[0]


def names(key: ProviderKey | AppKey) -> list[str]:
    return [viewer.name for viewer in exposure.seen_by(key)]


def test_a_provider_key_is_seen_by_who_brought_it_and_whom_it_was_revealed_to(
    provider_key: ProviderKey, owner: User, admin: User
) -> None:
    assert names(provider_key) == [owner.email]
    for _ in range(2):
        lifecycle.reveal_provider_key(Actor.person(admin), provider_key, reason="moving house")
    lifecycle.reveal_provider_key(Actor.person(owner), provider_key, reason="debugging")
    first, second = exposure.seen_by(provider_key)
    assert (first.name, first.times, first.reason) == (owner.email, 2, "debugging")
    assert (second.name, second.times, second.reason) == (admin.email, 2, "moving house")


def test_an_app_key_is_seen_by_its_maker_and_whoever_copied_it(
    app_key: AppKey, owner: User, developer: User
) -> None:
    lifecycle.copy_app_key(Actor.person(developer), app_key)
    assert names(app_key) == [developer.email, owner.email]


def test_a_rotation_leaves_those_behind_who_saw_the_old_secret(
    app_key: AppKey, provider_key: ProviderKey, acme: Acme, owner: User, developer: User
) -> None:
    lifecycle.copy_app_key(Actor.person(developer), app_key)
    lifecycle.reveal_provider_key(Actor.person(developer), provider_key, reason="debugging")
    boss = Actor.person(owner)
    lifecycle.rotate_app_key(boss, app_key)
    lifecycle.rotate_provider_key(boss, provider_key, secret=acme.knows("second-secret-of-acme"))
    assert developer.email in names(app_key)  # the overlap is open: theirs still works
    assert names(provider_key) == [owner.email, developer.email]
    lifecycle.finish_rotation(boss, app_key)
    lifecycle.finish_rotation(boss, provider_key)
    assert names(app_key) == [owner.email]
    assert names(provider_key) == [owner.email]
    assert exposure.seen(developer, app_key.application) == {}


def test_the_key_page_says_how_many_have_seen_it_to_those_who_see_the_audit(
    app_key: AppKey, client_of: ClientOf, owner: User, developer: User
) -> None:
    lifecycle.copy_app_key(Actor.person(developer), app_key)
    url = reverse("app_key", args=["shop", app_key.pk])
    assert "Seen by 2 people" in client_of(owner).get(url).content.decode()
    assert "Seen by" not in client_of(developer).get(url).content.decode()


def test_removing_a_member_lists_the_keys_they_have_seen(
    app_key: AppKey,
    provider_key: ProviderKey,
    application: Application,
    client_of: ClientOf,
    owner: User,
    developer: User,
) -> None:
    url = reverse("member_remove", args=["shop", developer.memberships.get().pk])
    client = client_of(owner)
    assert "They have seen none that works still." in client.get(url).content.decode()
    lifecycle.copy_app_key(Actor.person(developer), app_key)
    lifecycle.reveal_provider_key(Actor.person(developer), provider_key, reason="debugging")
    other = lifecycle.create_app_key(Actor.person(developer), application, name="Gone")[0]
    lifecycle.revoke(Actor.person(owner), other)
    page = client.get(url).content.decode()
    assert "They have seen 2 keys that work:" in page
    for key, kind in ((app_key, "app_key"), (provider_key, "provider_key")):
        assert reverse(kind, args=["shop", key.pk]) in page
    assert "Gone" not in page


def test_the_number_of_queries_does_not_grow(
    app_key: AppKey,
    developer: User,
    application: Application,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    for _ in range(5):
        lifecycle.copy_app_key(Actor.person(developer), app_key)
    with django_assert_max_num_queries(2):  # type: ignore[attr-defined]
        exposure.seen_by(app_key)
    with django_assert_max_num_queries(3):  # type: ignore[attr-defined]
        exposure.seen(developer, application)


def test_who_starts_a_batch_of_rotations_sees_none_of_the_texts(
    app_key: AppKey, application: Application, owner: User, developer: User
) -> None:
    boss = Actor.person(developer)
    lifecycle.start_batch(boss, application, "app_key", "rotate", [app_key.pk], "0")
    lifecycle.run_batches(60)
    assert app_key.versions.count() == 2
    assert names(app_key) == []
