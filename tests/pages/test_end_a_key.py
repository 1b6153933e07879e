"""Ending what is in use takes its name, typed; an overlap can be let go on."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys import lifecycle
from keys.audit import Actor
from keys.models import AppKey, ProviderKey, User
from keys.states import KeyState
from tests.pages.conftest import page_of

ClientOf = Callable[..., Client]


@pytest.fixture(params=["app_key", "provider_key"])
def key(request: pytest.FixtureRequest) -> AppKey | ProviderKey:
    found: AppKey | ProviderKey = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("act", ["revoke", "disable"])
def test_a_key_in_use_is_ended_by_its_name_alone(
    client_of: ClientOf, owner: User, key: AppKey | ProviderKey, act: str
) -> None:
    type(key).objects.update(last_used_at=timezone.now() - timedelta(days=6))
    client, url = client_of(owner), page_of(key, act)
    assert f"Type {key.name} to go on" in client.get(url).content.decode()
    for typed in ("", key.name.upper()):
        assert client.post(url, {"typed": typed}).status_code == 422
        key.refresh_from_db()
        assert key.state == KeyState.ACTIVE
    assert client.post(url, {"typed": key.name}).status_code == 302
    key.refresh_from_db()
    assert key.state != KeyState.ACTIVE


@pytest.mark.parametrize("act", ["revoke", "disable"])
def test_a_key_nobody_used_for_a_week_needs_a_yes(
    client_of: ClientOf, owner: User, key: AppKey | ProviderKey, act: str
) -> None:
    type(key).objects.update(last_used_at=timezone.now() - timedelta(days=8))
    client, url = client_of(owner), page_of(key, act)
    assert "to go on" not in client.get(url).content.decode()
    assert client.post(url).status_code == 302


def test_the_old_secret_is_let_serve_on(
    client_of: ClientOf, owner: User, app_key: AppKey, actor: Actor
) -> None:
    lifecycle.rotate_app_key(actor, app_key, overlap_seconds=60)
    client, url = client_of(owner), reverse("app_key_overlap", args=["shop", app_key.pk])
    assert url in client.get(page_of(app_key)).content.decode()
    asked = client.get(url).content.decode()
    assert "Now it ends <time" in asked
    assert "even if it is still used" in asked
    assert "stops now" not in asked
    client.post(url, {"overlap": "86400"})
    left = app_key.versions.get(number=1).retires_at - timezone.now()  # type: ignore[operator]
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    for none in ({"overlap": "0"}, {"overlap": "custom", "overlap_hours": "0"}):
        assert client.post(url, none).status_code == 422


def test_who_may_let_it_serve_on(
    client_of: ClientOf,
    developer: User,
    viewer: User,
    outsider: User,
    app_key: AppKey,
    provider_key: ProviderKey,
) -> None:
    mine = reverse("app_key_overlap", args=["shop", app_key.pk])
    theirs = reverse("provider_key_overlap", args=["shop", provider_key.pk])
    for user, expected in ((developer, (200, 403)), (viewer, (403, 403)), (outsider, (404, 404))):
        client = client_of(user)
        assert (client.get(mine).status_code, client.get(theirs).status_code) == expected


def test_a_rotation_takes_its_silence_from_the_form(
    client_of: ClientOf, owner: User, app_key: AppKey
) -> None:
    client, url = client_of(owner), page_of(app_key, "rotate")
    assert client.post(url, {"overlap": "86400", "silent": "900"}).status_code == 302
    assert app_key.versions.get(number=1).silent_seconds == 900
    assert "once it has been silent for 15 minutes" in client.get(page_of(app_key)).content.decode()
    asked = client.get(reverse("app_key_overlap", args=["shop", app_key.pk])).content.decode()
    assert "It ends sooner once it has been silent for 15 minutes" in asked


@pytest.mark.parametrize(("act", "number"), [("finish", 1), ("cancel", 2)])
def test_the_text_that_stops_with_a_rotation_is_asked_for_by_name_where_code_uses_it(
    client_of: ClientOf, owner: User, app_key: AppKey, actor: Actor, act: str, number: int
) -> None:
    """The old one when the overlap is ended, the new one when it is taken back."""
    lifecycle.rotate_app_key(actor, app_key)
    client, url = client_of(owner), page_of(app_key, act)
    page = client.get(url).content.decode()
    assert reverse("usage_cutover") in page and "to go on" not in page
    app_key.versions.filter(number=number).update(last_used_at=timezone.now())
    assert f"Type {app_key.name} to go on" in client.get(url).content.decode()
    assert client.post(url).status_code == 422
    assert client.post(url, {"typed": app_key.name}).status_code == 302
