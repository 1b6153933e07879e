"""A provider that moves: a secret is sent to no other address than it was entered for."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from keys import attention, lifecycle, validation
from keys.audit import Action, Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import Application, AuditEvent, Provider, ProviderKey, User
from keys.states import Verdict
from tests.factories import ProviderKeyFactory
from tests.keys.conftest import Acme

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]
SECRET = "secret-of-acme-0001"


@pytest.fixture
def key(acme: Acme, application: Application) -> ProviderKey:
    acme.knows(SECRET)
    found: ProviderKey = ProviderKeyFactory(
        application=application, provider="acme", secret=SECRET, verdict="live"
    )
    return found


def move(actor: Actor, acme: Acme) -> str:
    there = f"{acme.upstream.url}/elsewhere"
    lifecycle.change_base_url(actor, "acme", base_url=there)
    return there


def test_a_check_does_not_send_what_was_entered_for_another_address(
    actor: Actor, acme: Acme, key: ProviderKey
) -> None:
    assert validation.check_now(key).meaning is Verdict.LIVE
    before = len(acme.upstream.requests)
    there = move(actor, acme)
    assert validation.check_now(key).meaning is Verdict.UNKNOWN
    assert len(acme.upstream.requests) == before
    event = AuditEvent.objects.get(action=Action.BASE_URL_CHANGED)
    assert event.detail == {"was": acme.upstream.url, "now": there}


def test_a_row_changed_past_keydeck_sends_nothing_either(acme: Acme, key: ProviderKey) -> None:
    Provider.objects.update(base_url=f"{acme.upstream.url}/elsewhere")
    validation.check_now(key)
    assert acme.upstream.requests == []


def test_the_same_secret_is_entered_again_by_rotation(
    actor: Actor, acme: Acme, key: ProviderKey
) -> None:
    with pytest.raises(Conflict):
        lifecycle.rotate_provider_key(actor, key, secret=SECRET)
    there = move(actor, acme)
    version = lifecycle.rotate_provider_key(actor, key, secret=SECRET)
    assert (version.stage, version.entered_for) == ("current", there)
    key.refresh_from_db()
    assert key.verdict == "live"


def test_back_at_the_old_address_it_works_again(actor: Actor, acme: Acme, key: ProviderKey) -> None:
    move(actor, acme)
    lifecycle.change_base_url(actor, "acme", base_url=acme.upstream.url)
    assert validation.check_now(key).meaning is Verdict.LIVE


def test_a_built_in_one_stays_and_a_bad_address_is_refused(actor: Actor, acme: Acme) -> None:
    with pytest.raises(Conflict, match="operator"):
        lifecycle.change_base_url(actor, "openai", base_url="https://api.example.com")
    with pytest.raises(Invalid):
        lifecycle.change_base_url(actor, "acme", base_url="http://169.254.169.254")
    lifecycle.change_base_url(actor, "acme", base_url=acme.upstream.url)
    assert not AuditEvent.objects.filter(action=Action.BASE_URL_CHANGED).exists()


def test_the_pages_ask_say_what_follows_and_where_to_go_on(
    client_of: ClientOf, admin: User, owner: User, acme: Acme, key: ProviderKey
) -> None:
    url = reverse("provider_url", args=["acme"])
    client = client_of(admin)
    assert url in client.get(reverse("providers")).content.decode()
    assert url not in client_of(owner).get(reverse("providers")).content.decode()
    assert "1 key of Acme can’t be used" in client.get(url).content.decode()
    assert client_of(admin, fresh=False).get(url).status_code == 302
    assert client.post(url, {"base_url": f"{acme.upstream.url}/elsewhere"}).status_code == 302
    page = reverse("provider_key", args=["shop", key.pk])
    assert "has another base URL now" in client_of(owner).get(page).content.decode()


def test_the_overview_names_each_key_that_waits_and_leads_to_it(
    client_of: ClientOf, actor: Actor, owner: User, acme: Acme, key: ProviderKey
) -> None:
    ended = ProviderKeyFactory(application=key.application, provider="acme", name="Ended")
    lifecycle.revoke(actor, ended)
    client, page = client_of(owner), reverse("provider_key", args=["shop", key.pk])
    assert "Nothing needs you" in client.get("/").content.decode()
    move(actor, acme)
    ProviderKey.objects.filter(pk=key.pk).update(verdict="dead")  # at the old address
    (alert,) = attention.alerts([key.application])
    assert (alert.level, alert.url) == ("warning", page)
    shown = client.get("/").content.decode()
    assert f"{key.name} waits for its secret" in shown
    assert page in shown
    lifecycle.rotate_provider_key(actor, key, secret=SECRET)
    assert attention.alerts([key.application]) == []
