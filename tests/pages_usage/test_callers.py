"""Who uses a key: the cut-over meter beside a rotation, and what stops before it is stopped."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys import lifecycle
from keys.audit import Actor
from keys.models import AppKey, Application, ProviderKey, User
from tests.factories import add_version
from tests.pages_usage.conftest import Call
from usage.stats import callers

ClientOf = Callable[..., Client]
HOUR = timedelta(hours=1)


@pytest.fixture
def rotated(app_key: AppKey, actor: Actor) -> AppKey:
    """Rotated six hours ago."""
    lifecycle.rotate_app_key(actor, app_key)
    app_key.versions.filter(number=2).update(promoted_at=timezone.now() - 6 * HOUR)
    return app_key


def cutover(client: Client, key: AppKey | ProviderKey, kind: str = "app_key") -> str:
    query = f"?application=shop&{kind}={key.pk}"
    return str(client.get(reverse("usage_cutover") + query).content.decode())


def impact(client: Client, key: AppKey | ProviderKey, kind: str = "app_key") -> str:
    query = f"?application=shop&{kind}={key.pk}"
    return str(client.get(reverse("usage_impact") + query).content.decode())


def test_it_tells_how_many_still_use_the_old_secret_and_who(
    client_of: ClientOf, viewer: User, rotated: AppKey, call: Call
) -> None:
    for _ in range(3):
        call(app_key_version=1, address="10.0.0.7", user_agent="curl/8.5", ago=HOUR / 2)
    call(app_key_version=1, address="10.0.0.8", user_agent="batch/1.0", ago=5 * HOUR)
    call(app_key_version=2, address="10.0.0.9", user_agent="web/2.0", ago=HOUR / 3)
    text = cutover(client_of(viewer), rotated)
    assert "3 calls in the last hour still use the old secret" in text
    assert "1 with the new one" in text
    assert "curl/8.5" in text
    assert "from 10.0.0.7" in text
    assert "batch/1.0" not in text  # not in the last hour
    assert text.count('class="kd-bar-old"') == 2
    assert text.count('class="kd-bar-new"') == 1


def test_an_old_secret_gone_silent_says_since_when(
    client_of: ClientOf, viewer: User, rotated: AppKey, call: Call
) -> None:
    client = client_of(viewer)
    assert "Nobody has used the old secret since the rotation" in cutover(client, rotated)
    rotated.versions.filter(number=2).update(promoted_at=timezone.now() - 30 * HOUR)
    assert "Nobody has used the old secret in the last day" in cutover(client, rotated)
    call(app_key_version=1, ago=5 * HOUR)
    assert "The old secret was last used" in cutover(client, rotated)


def test_a_provider_keys_cutover_counts_its_own_versions(
    client_of: ClientOf, viewer: User, provider_key: ProviderKey, call: Call
) -> None:
    provider_key.versions.update(stage="previous")
    add_version(provider_key, "sk-new", number=2, promoted_at=timezone.now() - 2 * HOUR)
    call(provider_key_version=1, app_key_version=2)
    text = cutover(client_of(viewer), provider_key, "provider_key")
    assert "1 call in the last hour still uses the old secret" in text


def test_calls_from_before_the_rotation_and_with_other_versions_say_nothing_of_it(
    client_of: ClientOf, viewer: User, rotated: AppKey, call: Call
) -> None:
    """Who called when there was one secret, or with one that was taken back, has not stayed."""
    rotated.versions.filter(number=2).update(number=3, promoted_at=timezone.now() - HOUR / 4)
    call(app_key_version=1, ago=HOUR / 2)
    call(app_key_version=2, ago=HOUR / 8)
    call(app_key_version=3, ago=HOUR / 8)
    text = cutover(client_of(viewer), rotated)
    assert "Nobody has used the old secret since the rotation" in text
    assert "1 with the new one" in text
    call(app_key_version=1, ago=HOUR / 8)
    assert "1 call since the rotation still uses the old secret" in cutover(
        client_of(viewer), rotated
    )


def test_without_an_overlap_there_is_nothing_to_show(
    client_of: ClientOf, viewer: User, app_key: AppKey
) -> None:
    assert cutover(client_of(viewer), app_key) == ""


def test_an_outsider_sees_nothing_of_it(
    client_of: ClientOf, outsider: User, rotated: AppKey
) -> None:
    client = client_of(outsider)
    for name in ("usage_cutover", "usage_impact"):
        for query in (f"?application=shop&app_key={rotated.pk}", f"?app_key={rotated.pk}", ""):
            assert client.get(reverse(name) + query).status_code == 404


def test_the_cost_does_not_grow_with_traffic(
    rotated: AppKey,
    call: Call,
    client_of: ClientOf,
    viewer: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callers, "LOOKED_AT", 4)
    for n in range(6):
        call(app_key_version=1, ago=n * timedelta(minutes=5))
    text = cutover(client_of(viewer), rotated)
    assert "4 calls in the last hour still use the old secret" in text


def test_last_use_is_kept_for_each_version(rotated: AppKey, call: Call) -> None:
    old = call(app_key_version=1, provider_key_version=1, ago=2 * HOUR)
    new = call(app_key_version=2, provider_key_version=1, ago=HOUR)
    call(app_key_version=1, ago=3 * HOUR)  # late to be drained
    at = dict(rotated.versions.values_list("number", "last_used_at"))
    assert int(at[1].timestamp() * 1000) == old.started_at
    assert int(at[2].timestamp() * 1000) == new.started_at


def test_before_a_revocation_it_says_who_would_miss_the_key(
    client_of: ClientOf, viewer: User, app_key: AppKey, provider_key: ProviderKey, call: Call
) -> None:
    client = client_of(viewer)
    assert "No call used this key in the last 7 days." in impact(client, app_key)
    for n in range(1, 8):
        call(address=f"10.0.0.{n}", user_agent="web/2.0", ago=n * HOUR)
    call(ago=timedelta(days=8))
    call(outcome="denied", address="10.0.0.99", ago=HOUR)
    text = impact(client, app_key)
    assert "10.0.0.99" not in text
    everything = client.get(f"{reverse('usage_impact')}?application=shop").content.decode()
    assert "In use: 7 calls" in everything and app_key.name in everything
    assert "In use: 7 calls in the last 7 days" in text
    assert "and 2 other callers" in text
    assert f"<strong>{app_key.name}</strong>" in impact(client, provider_key, "provider_key")


def test_the_key_page_and_the_dialogs_ask_for_it(
    client_of: ClientOf, owner: User, application: Application, rotated: AppKey
) -> None:
    client = client_of(owner)
    query = f"?application=shop&amp;app_key={rotated.pk}"
    page = reverse("app_key", args=["shop", rotated.pk])
    assert reverse("usage_cutover") + query in client.get(page).content.decode()
    for act in ("revoke", "disable"):
        assert reverse("usage_impact") + query in client.get(f"{page}{act}/").content.decode()
