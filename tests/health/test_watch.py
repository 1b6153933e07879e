"""A revoked secret is watched until its provider refuses it too; every one that was in use."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import Sum
from django.utils import timezone

from keys import lifecycle, vault, watching
from keys.audit import Actor
from keys.models import Application, Check, ProviderKey
from tests.factories import ProviderKeyFactory, add_version
from tests.upstream import Answer, Received, Upstream

pytestmark = pytest.mark.django_db
LIVE = {"status": "success", "data": {"balance": 1}}
DEAD = {"status": "error", "message": "Invalid API key"}
LATER = timedelta(seconds=1)


@pytest.fixture
def refused(allow_upstream: Upstream) -> set[str]:
    """Secrets that the provider refuses; it takes every other."""
    secrets: set[str] = set()

    def answer(received: Received) -> Answer:
        dead = received.json()["key"] in secrets
        status, body = (401, DEAD) if dead else (200, LIVE)
        return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    allow_upstream.handler = answer
    return secrets


@pytest.fixture
def key(actor: Actor, application: Application) -> ProviderKey:
    """Revoked in the middle of an overlap."""
    made: ProviderKey = ProviderKeyFactory(application=application, secret="new-secret-1")
    add_version(made, "old-secret-2", number=2, stage="previous")
    lifecycle.revoke(actor, made)
    return made


@pytest.fixture
def look(key: ProviderKey) -> Callable[..., bool | None]:
    began = timezone.now()  # what is later is told, however long a test takes

    def at(**later: float) -> bool | None:
        watching.watch_due(began + timedelta(**later) + LATER)
        key.refresh_from_db()
        return key.live_at_provider

    return at


def test_it_is_live_while_one_of_its_secrets_is(
    look: Callable[..., bool | None], refused: set[str]
):
    assert look() is True
    refused.add("new-secret-1")
    assert look(days=1) is True
    refused.add("old-secret-2")
    assert look(days=3) is False


def test_two_refusals_a_minute_apart_end_the_watch(
    look: Callable[..., bool | None], key: ProviderKey, refused: set[str]
) -> None:
    refused |= {"new-secret-1", "old-secret-2"}
    assert look() is False
    assert key.versions.filter(watch_at__isnull=False).count() == 2
    assert look(seconds=50) is False
    assert Check.objects.aggregate(looks=Sum("times"))["looks"] == 2
    look(seconds=70)
    assert Check.objects.aggregate(looks=Sum("times"))["looks"] == 4
    assert not key.versions.filter(watch_at__isnull=False).exists()


def test_one_that_was_refused_once_and_works_again_is_live(
    look: Callable[..., bool | None], refused: set[str]
) -> None:
    refused |= {"new-secret-1", "old-secret-2"}
    assert look() is False
    refused.clear()
    assert look(seconds=70) is True


def test_an_outage_says_nothing_and_the_watch_goes_on(
    look: Callable[..., bool | None], key: ProviderKey, allow_upstream: Upstream
) -> None:
    allow_upstream.answer(500, {})
    assert look() is None
    assert key.versions.filter(watch_at__isnull=False).count() == 2


def test_the_longer_it_is_live_the_rarer_the_looks(
    look: Callable[..., bool | None], key: ProviderKey, refused: set[str]
) -> None:
    old = timezone.now() - timedelta(days=40)
    key.versions.update(promoted_at=old, retired_at=old)
    look()
    for version in key.versions.all():
        assert timedelta(hours=23) < version.watch_at - timezone.now() <= timedelta(days=1)


def test_a_provider_that_cannot_be_asked_is_not_watched(
    look: Callable[..., bool | None], key: ProviderKey
) -> None:
    ProviderKey.objects.update(provider="gone")
    assert look() is None
    assert not key.versions.filter(watch_at__isnull=False).exists()


def test_check_now_looks_at_what_is_watched(
    actor: Actor, key: ProviderKey, refused: set[str]
) -> None:
    refused.add("new-secret-1")
    lifecycle.check_provider_key(actor, key)
    key.refresh_from_db()
    assert key.live_at_provider is True
    refused.add("old-secret-2")
    lifecycle.check_provider_key(actor, key)
    key.refresh_from_db()
    assert key.live_at_provider is False


def test_while_one_worker_looks_no_other_does(key: ProviderKey) -> None:
    row = key.versions.first()
    assert watching._claim(row, timezone.now())
    assert not watching._claim(row, timezone.now())


def test_with_the_vault_sealed_nothing_is_asked(
    look: Callable[..., bool | None], key: ProviderKey, settings, allow_upstream: Upstream
) -> None:
    settings.MASTER_KEYS = ""
    vault.forget()
    assert look() is None
    assert allow_upstream.requests == []
    assert key.versions.filter(watch_at__isnull=False).count() == 2
