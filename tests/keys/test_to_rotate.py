"""Somebody leaves: all they have seen is queued, until it works no more or is let be."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from keys import exposure, lifecycle
from keys.audit import Action, Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import AppKey, Application, AuditEvent, ProviderKey, User
from tests.factories import AppKeyFactory, ApplicationFactory, ProviderKeyFactory
from tests.keys.conftest import Acme

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]


@pytest.fixture
def app_key(application: Application) -> AppKey:
    found: AppKey = AppKeyFactory(application=application, name="Web")
    return found


@pytest.fixture
def provider_key(application: Application) -> ProviderKey:
    found: ProviderKey = ProviderKeyFactory(application=application, name="Main")
    return found


@pytest.fixture
def left(actor: Actor, developer: User, app_key: AppKey, provider_key: ProviderKey) -> list[str]:
    """The developer has seen both keys, and leaves."""
    mine = Actor.person(developer)
    AppKeyFactory(application=app_key.application, name="Unseen")
    lifecycle.copy_app_key(mine, app_key)
    lifecycle.reveal_provider_key(mine, provider_key, reason="debugging")
    return lifecycle.remove_member(actor, developer.memberships.get())


def queued(application: Application) -> set[str]:
    return {left.key.name for left in exposure.to_rotate([application])}


def test_all_they_have_seen_is_queued_with_who_and_when(
    left: list[str], application: Application, developer: User
) -> None:
    assert set(left) == queued(application) == {"Main", "Web"}
    assert {found.row.who for found in exposure.to_rotate([application])} == {developer.email}
    assert AuditEvent.objects.filter(action=Action.ROTATION_QUEUED).count() == 2
    assert exposure.to_rotate([ApplicationFactory()]) == []


def test_a_rotated_or_revoked_key_is_off_the_list_once_the_old_secret_works_no_more(
    left: list[str],
    actor: Actor,
    application: Application,
    app_key: AppKey,
    provider_key: ProviderKey,
) -> None:
    lifecycle.rotate_app_key(actor, app_key, overlap_seconds=3600)
    assert queued(application) == {"Main", "Web"}
    lifecycle.finish_rotation(actor, app_key)
    assert queued(application) == {"Main"}
    lifecycle.revoke(actor, provider_key)
    assert queued(application) == set()


def test_it_is_dismissed_with_a_reason_once(
    left: list[str], actor: Actor, application: Application
) -> None:
    first, second = exposure.to_rotate([application])
    with pytest.raises(Invalid):
        lifecycle.dismiss_rotation(actor, first, reason="")
    lifecycle.dismiss_rotation(actor, first, reason="moved to another team")
    assert queued(application) == {second.key.name}
    event = AuditEvent.objects.get(action=Action.ROTATION_DISMISSED)
    assert event.detail["reason"] == "moved to another team"
    with pytest.raises(Conflict):
        lifecycle.dismiss_rotation(actor, first, reason="again")


def test_the_pages_show_the_list_and_who_left_to_owners_alone(
    left: list[str], client_of: ClientOf, application: Application, owner: User, viewer: User
) -> None:
    client, page = client_of(owner), reverse("application", args=["shop"])
    row = exposure.to_rotate([application])[0].row
    url = reverse("rotation_dismiss", args=["shop", row.pk])
    shown = client.get(page).content.decode()
    assert "seen by developer@example.com" in shown
    assert url in shown
    assert "Main is to be rotated" in client.get("/").content.decode()
    assert "seen by developer@example.com" not in client_of(viewer).get(page).content.decode()
    assert client_of(viewer).get(url).status_code == 403
    assert client.post(url, {"reason": ""}).status_code == 422
    assert client.post(url, {"reason": "known"}).status_code == 302
    assert url not in client.get(page).content.decode()
    assert client.get(url).status_code == 404


def test_removing_on_the_page_leads_to_the_list(
    client_of: ClientOf, owner: User, developer: User, app_key: AppKey
) -> None:
    lifecycle.copy_app_key(Actor.person(developer), app_key)
    url = reverse("member_remove", args=["shop", developer.memberships.get().pk])
    page = client_of(owner).post(url, follow=True).content.decode()
    assert "Rotate the key they have seen" in page
    assert 'id="to-rotate"' in page


def test_a_secret_that_another_application_has_too_is_queued_there_as_well(
    actor: Actor, developer: User, application: Application, acme: Acme
) -> None:
    secret = acme.knows("one-secret-for-two")
    other = ApplicationFactory()
    for place, name in ((application, "Main"), (other, "Copy")):
        lifecycle.add_provider_key(
            Actor.system("test"), place, name=name, provider="acme", secret=secret
        )
    mine = Actor.person(developer)
    lifecycle.reveal_provider_key(mine, application.provider_keys.get(), reason="debugging")
    lifecycle.remove_member(actor, developer.memberships.get())
    assert (queued(application), queued(other)) == ({"Main"}, {"Copy"})


def test_a_secret_that_they_brought_and_that_waits_still_is_queued_too(
    actor: Actor, developer: User, application: Application, acme: Acme
) -> None:
    key = lifecycle.add_provider_key(
        actor, application, name="Main", provider="acme", secret=acme.knows("the-first-secret")
    )
    brought = acme.knows("the-second-secret", 503)
    lifecycle.rotate_provider_key(Actor.person(developer), key, secret=brought)
    lifecycle.remove_member(actor, developer.memberships.get())
    assert queued(application) == {"Main"}
    lifecycle.finish_rotation(actor, key)
    assert queued(application) == {"Main"}


def test_who_leaves_again_is_queued_once(
    left: list[str], actor: Actor, application: Application, developer: User
) -> None:
    lifecycle.add_member(actor, application, email=developer.email, role="viewer")
    lifecycle.remove_member(actor, developer.memberships.get())
    assert len(exposure.to_rotate([application])) == len(left) == 2
    assert AuditEvent.objects.filter(action=Action.ROTATION_QUEUED).count() == 2
