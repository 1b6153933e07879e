"""Saying that a secret got out: what is shown before it, asked for, and to do after it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys import lifecycle
from keys.audit import Actor
from keys.models import AppKey, ProviderKey, ProviderKeyVersion, User
from keys.states import Role
from tests.factories import ApplicationFactory, MembershipFactory, ProviderKeyFactory
from tests.pages.conftest import SECRET, page_of
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]
NEW = "the-new-secret-of-the-account"
REASON = "pasted into a chat"


def test_the_form_shows_what_would_break_who_has_it_and_the_providers_page(
    client_of: ClientOf, owner: User, developer: User, provider_key: ProviderKey
) -> None:
    lifecycle.reveal_provider_key(Actor.person(developer), provider_key, reason="debugging")
    client = client_of(owner)
    url = reverse("provider_key_compromised", args=["shop", provider_key.pk])
    assert url in client.get(page_of(provider_key)).content.decode()
    page = client.get(url).content.decode()
    assert reverse("usage_impact") in page
    assert f'1 person has this secret: <span class="kd-wrap">{developer.email}' in page
    assert "https://modelslab.com/dashboard/api-keys" in page
    assert SECRET not in page


def test_a_new_secret_takes_its_place_and_a_list_says_what_is_left_to_do(
    client_of: ClientOf, owner: User, provider: Upstream, provider_key: ProviderKey
) -> None:
    client = client_of(owner)
    sent = {"reason": REASON, "secret": NEW}
    page = client.post(page_of(provider_key, "compromised"), sent, follow=True).content.decode()
    assert "Reported compromised" in page
    assert "To do: delete" in page
    assert "https://modelslab.com/dashboard/api-keys" in page
    assert provider_key.versions.get(stage="current").number == 2
    assert NEW not in page

    rows = ProviderKeyVersion.objects.filter(number=1)
    rows.update(live_at_provider=True)
    ProviderKey.objects.update(live_at_provider=True)
    page = client.get(page_of(provider_key)).content.decode()
    assert "It still works there" in page
    assert "has an old secret, still live at the provider" in client.get("/").content.decode()

    rows.update(live_at_provider=False)
    ProviderKey.objects.update(live_at_provider=False)
    page = client.get(page_of(provider_key)).content.decode()
    assert "ModelsLab refuses" in page
    assert "To do" not in page
    rows.update(compromised_at=timezone.now() - timedelta(days=31))
    assert "Reported compromised" not in client.get(page_of(provider_key)).content.decode()


def test_without_a_new_secret_it_is_revoked(
    client_of: ClientOf, owner: User, provider: Upstream, provider_key: ProviderKey
) -> None:
    client_of(owner).post(page_of(provider_key, "compromised"), {"reason": REASON})
    provider_key.refresh_from_db()
    assert provider_key.state == "revoked"


def test_the_same_secret_elsewhere_is_ended_in_the_same_act(
    client_of: ClientOf, owner: User, provider: Upstream, provider_key: ProviderKey
) -> None:
    blog, foreign = ApplicationFactory(slug="blog", name="Blog"), ApplicationFactory()
    MembershipFactory(application=blog, user=owner, role=Role.OWNER)
    twin = ProviderKeyFactory(application=blog, name="Copy", secret=SECRET)
    ProviderKeyFactory(application=foreign, secret=SECRET)
    client = client_of(owner)
    page = client.get(page_of(provider_key, "compromised")).content.decode()
    assert "Blog · Copy" in page
    assert "in use in 1 more application" in page
    sent = {"reason": REASON, "secret": NEW, "elsewhere": [twin.pk]}
    client.post(page_of(provider_key, "compromised"), sent)
    assert twin.versions.get(stage="current").number == 2


def test_an_app_key_gets_a_new_text(client_of: ClientOf, owner: User, app_key: AppKey) -> None:
    client, url = client_of(owner), reverse("app_key_compromised", args=["shop", app_key.pk])
    sent = {"reason": REASON, "replace": "on"}
    assert url in client.get(page_of(app_key)).content.decode()
    page = client.post(url, sent, follow=True).content.decode()
    assert "Copy it into your code" in page
    assert app_key.versions.get(stage="current").number == 2


@pytest.mark.parametrize("kind", ["app_key", "provider_key"])
def test_one_in_use_is_ended_by_its_name_and_a_reason(
    client_of: ClientOf, owner: User, kind: str, request: pytest.FixtureRequest
) -> None:
    key = request.getfixturevalue(kind)
    type(key).objects.update(last_used_at=timezone.now())
    client, url = client_of(owner), page_of(key, "compromised")
    assert client.post(url, {"reason": REASON, "typed": "other"}).status_code == 422
    assert client.post(url, {"reason": "", "typed": key.name}).status_code == 422
    key.refresh_from_db()
    assert key.state == "active"
    assert client.post(url, {"reason": REASON, "typed": key.name}).status_code == 302
    key.refresh_from_db()
    assert key.state == "revoked"


@pytest.mark.parametrize("kind", ["app_key", "provider_key"])
def test_it_needs_a_step_up(
    client_of: ClientOf, owner: User, kind: str, request: pytest.FixtureRequest
) -> None:
    key = request.getfixturevalue(kind)
    stale, url = client_of(owner, fresh=False), page_of(key, "compromised")
    assert stale.get(url)["Location"].startswith(reverse("account_reauthenticate"))
    assert stale.post(url, {"reason": REASON}).status_code == 422
    key.refresh_from_db()
    assert key.state == "active"


def test_a_key_that_was_revoked_before_is_reported_too(
    client_of: ClientOf, owner: User, provider_key: ProviderKey, app_key: AppKey
) -> None:
    client = client_of(owner)
    for key in (provider_key, app_key):
        lifecycle.revoke(Actor.person(owner), key)
        assert "It is compromised" in client.get(page_of(key)).content.decode()
        answer = client.post(page_of(key, "compromised"), {"reason": "found in a log"})
        assert answer.status_code == 302
        assert key.versions.exclude(compromised_at=None).count() == 1
