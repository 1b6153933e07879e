"""What somebody who can write to the database does past Keydeck, and what the doctor says of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys import doctor, lifecycle, providers
from keys.audit import Actor
from keys.models import AppKey, Application, GotOut, Provider, ProviderKey, VaultExamination
from tests.factories import ApplicationFactory
from tests.keys.conftest import Acme
from usage.gateway import loading
from usage.gateway.choosing import Choice
from usage.gateway.pools import Rota

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider_key(acme: Acme, actor: Actor, application: Application) -> ProviderKey:
    acme.knows("first-secret-of-acme")
    return lifecycle.add_provider_key(
        actor, application, name="Main", provider="acme", secret="first-secret-of-acme"
    )


@pytest.fixture
def app_key(actor: Actor, application: Application) -> AppKey:
    return lifecycle.create_app_key(actor, application, name="Web")[0]


def codes() -> list[tuple[str, int, str]]:
    return [(found.name, found.version, found.code) for found in doctor.examine().findings]


def test_a_secret_entered_for_another_address_does_not_open(
    actor: Actor, application: Application, blind: Provider
) -> None:
    """Provider and version both written over, as if the secret had been entered for there."""
    key = lifecycle.add_provider_key(
        actor, application, name="B", provider="blind", secret="sk-blind-0001"
    )
    Provider.objects.update(base_url="https://elsewhere.example.com")
    assert codes() == []  # moved: it is sent nowhere until it is entered again
    key.versions.update(entered_for="https://elsewhere.example.com")
    assert codes() == [("B", 1, "undecryptable")]
    pool = loading.pool((application.pk, "blind"))
    choice = Choice(Rota(), providers.get("blind"), pool, 0.0)
    assert choice.candidate() is None
    assert choice.refusal().code == "no_usable_key"


def test_keys_of_which_no_row_is_left_are_missed(
    actor: Actor, provider_key: ProviderKey, app_key: AppKey
) -> None:
    lifecycle.rotate_app_key(actor, app_key)
    AppKey.objects.all().delete()
    provider_key.versions.all().delete()
    missing = [("Main", 1, "missing"), ("Web", 1, "missing"), ("Web", 2, "missing")]
    assert sorted(codes()) == missing


def test_the_daily_look_is_not_put_off_by_a_time_to_come(
    provider_key: ProviderKey,
) -> None:
    now = timezone.now()
    assert doctor.examine_if_due(now) is not None
    assert doctor.examine_if_due(now) is None
    for field in ("finished_at", "started_at"):
        VaultExamination.objects.update(finished_at=now - timedelta(days=2), started_at=None)
        VaultExamination.objects.update(**{field: now + timedelta(days=30)})
        assert doctor.examine_if_due(now) is not None


def test_it_looks_at_once_when_it_is_asked_to(provider_key: ProviderKey) -> None:
    now = timezone.now()
    doctor.examine_if_due(now)
    doctor.ask_for_examination()
    assert doctor.examine_if_due(now) is not None
    assert doctor.examine_if_due(now) is None


def test_what_got_out_is_known_from_the_trail_too(provider_key: ProviderKey, actor: Actor) -> None:
    lifecycle.add_provider_key(
        actor, ApplicationFactory(), name="Copy", provider="acme", secret="first-secret-of-acme"
    )
    lifecycle.report_compromised(actor, provider_key, reason="leaked")
    GotOut.objects.all().delete()
    assert sorted(codes()) == [("Copy", 1, "got_out"), ("Main", 1, "unmarked")]
