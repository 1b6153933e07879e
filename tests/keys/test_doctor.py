"""The doctor: what does not open, and what is not what the audit trail names, is found."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from keys import doctor, lifecycle, vault
from keys.audit import Actor
from keys.lifecycle.versions import slot_of
from keys.models import (
    LIMITS,
    AppKey,
    AppKeyVersion,
    Application,
    AuditEvent,
    ChangeCounter,
    DataKey,
    Provider,
    ProviderKey,
    ProviderKeyVersion,
    VaultExamination,
)
from keys.states import Stage, Verdict
from keys.vault import Sealed
from tests.factories import AppKeyFactory, ApplicationFactory, MembershipFactory, UserFactory
from tests.keys.conftest import Acme, break_secret
from usage.gateway import loading

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]


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


def test_a_healthy_vault_has_no_findings(provider_key: ProviderKey, app_key: AppKey) -> None:
    report = doctor.examine()
    assert (report.opened, report.findings) == (2, [])


def test_a_secret_that_does_not_open_makes_its_key_undecryptable_until_it_does(
    provider_key: ProviderKey, app_key: AppKey
) -> None:
    whole = provider_key.versions.get().sealed
    break_secret(provider_key)
    assert codes() == [("Main", 1, "undecryptable")]
    provider_key.refresh_from_db()
    assert provider_key.verdict == Verdict.UNDECRYPTABLE
    provider_key.versions.update(sealed=whole)
    before = ChangeCounter.objects.get().value
    assert codes() == []
    provider_key.refresh_from_db()
    assert provider_key.verdict == Verdict.UNCHECKED
    assert ChangeCounter.objects.get().value > before  # every gateway looks again
    assert provider_key.next_check_at <= timezone.now()  # type: ignore[operator]


def test_a_version_put_back_into_use_past_keydeck_is_found(
    provider_key: ProviderKey, acme: Acme, actor: Actor
) -> None:
    acme.knows("second-secret-of-acme")
    lifecycle.rotate_provider_key(actor, provider_key, secret="second-secret-of-acme")
    assert codes() == []
    provider_key.versions.filter(number=2).update(stage=Stage.RETIRED)
    provider_key.versions.filter(number=1).update(stage=Stage.CURRENT)
    assert codes() == [("Main", 1, "wrong_stage"), ("Main", 2, "wrong_stage")]


def test_a_rotation_taken_back_by_a_person_is_no_finding(
    provider_key: ProviderKey, app_key: AppKey, acme: Acme, actor: Actor
) -> None:
    acme.knows("second-secret-of-acme")
    lifecycle.rotate_provider_key(actor, provider_key, secret="second-secret-of-acme")
    lifecycle.cancel_rotation(actor, provider_key)
    lifecycle.rotate_app_key(actor, app_key)
    lifecycle.cancel_rotation(actor, app_key)
    lifecycle.rotate_app_key(actor, app_key)
    assert codes() == []


def test_an_older_sealed_text_put_back_after_a_data_key_rotation_is_found(
    provider_key: ProviderKey, app_key: AppKey, application: Application
) -> None:
    old = provider_key.versions.get().sealed
    lifecycle.start_data_key_rotation(Actor.system("test"), application)
    for _ in lifecycle.reseal(Actor.system("test"), application):
        pass
    assert codes() == []
    provider_key.versions.update(sealed=old)
    assert codes() == [("Main", 1, "old_data_key")]


def test_another_secret_sealed_at_the_same_place_is_found(
    provider_key: ProviderKey, app_key: AppKey
) -> None:
    for key in (provider_key, app_key):
        slot = slot_of(key, key.versions.get())
        key.versions.update(sealed=vault.seal(slot, vault.Secret("somebody else's secret")))
    assert codes() == [("Main", 1, "not_the_one"), ("Web", 1, "not_the_one")]


def test_a_sealed_vault_changes_nothing(provider_key: ProviderKey, settings: Settings) -> None:
    settings.MASTER_KEYS = Fernet.generate_key().decode()
    vault.forget()
    with pytest.raises(Sealed):
        doctor.examine()
    assert doctor.examine_if_due(timezone.now()) is None
    provider_key.refresh_from_db()
    assert provider_key.verdict == Verdict.LIVE


def test_it_looks_once_a_day_and_one_process_at_a_time(provider_key: ProviderKey) -> None:
    now = timezone.now()
    assert doctor.examine_if_due(now) is not None
    assert doctor.examine_if_due(now + timedelta(hours=23)) is None
    assert doctor.examine_if_due(now + timedelta(hours=25)) is not None
    VaultExamination.objects.update(finished_at=now - timedelta(days=2), started_at=now)
    assert doctor.examine_if_due(now + timedelta(minutes=1)) is None  # another is at it
    assert doctor.examine_if_due(now + timedelta(minutes=31)) is not None  # it died


def test_the_command_names_what_it_found_and_no_secret(
    provider_key: ProviderKey, app_key: AppKey
) -> None:
    out = StringIO()
    call_command("doctor", stdout=out)
    assert out.getvalue() == "2 secrets open, each the one the audit trail names.\n"
    break_secret(app_key)
    out = StringIO()
    with pytest.raises(CommandError, match=r"1 finding, 1 secret in order\. Where one does not"):
        call_command("doctor", stdout=out)
    assert out.getvalue() == (
        f"app_key:{app_key.pk} “Web”: version 1 does not open with the keys of this vault\n"
    )


@pytest.mark.django_db(transaction=True)
def test_looking_costs_the_same_number_of_queries_for_many_keys(
    provider_key: ProviderKey,
    actor: Actor,
    application: Application,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    for n in range(20):
        lifecycle.create_app_key(actor, application, name=f"Key {n}")
    with django_assert_max_num_queries(8):  # type: ignore[attr-defined]
        doctor.examine()


def test_a_hash_of_another_secret_is_found(
    provider_key: ProviderKey, app_key: AppKey, actor: Actor, application: Application
) -> None:
    provider_key.versions.update(fingerprint=vault.fingerprint(vault.Secret("another")))
    other = lifecycle.create_app_key(actor, application, name="Other")[0]
    application.show_app_keys_once = True
    application.save()
    once = lifecycle.create_app_key(actor, application, name="Shown once")[0]
    assert once.versions.get().sealed == ""
    for key, text in ((app_key, "one"), (other, "two"), (once, "three")):
        key.versions.update(lookup=vault.lookup_hash(text))
    assert sorted(codes()) == [
        ("Main", 1, "wrong_hash"),
        ("Other", 1, "wrong_hash"),
        ("Shown once", 1, "wrong_hash"),
        ("Web", 1, "wrong_hash"),
    ]


@pytest.mark.parametrize("once", [False, True])
def test_a_key_that_was_ended_and_works_again_is_found(
    actor: Actor, application: Application, acme: Acme, once: bool
) -> None:
    application.show_app_keys_once = once
    application.save()
    for act in (lifecycle.revoke, lifecycle.disable):
        app_key = lifecycle.create_app_key(actor, application, name=f"Web {act.__name__}")[0]
        secret = acme.knows(f"secret-of-{act.__name__}")
        provider_key = lifecycle.add_provider_key(
            actor, application, name=f"Acme {act.__name__}", provider="acme", secret=secret
        )
        act(actor, app_key)
        act(actor, provider_key)
    assert codes() == []
    AppKey.objects.update(state="active")
    ProviderKey.objects.update(state="active")
    assert {(name, code) for name, _, code in codes()} == {
        ("Web revoke", "wrong_state"),
        ("Web disable", "wrong_state"),
        ("Acme revoke", "wrong_state"),
        ("Acme disable", "wrong_state"),
    }


def test_an_old_secret_that_was_ended_and_works_again_is_found(
    provider_key: ProviderKey, app_key: AppKey, acme: Acme, actor: Actor
) -> None:
    """By the end of an overlap, by a rotation without one, and because it got out."""
    later = timezone.now() + timedelta(days=1)
    lifecycle.rotate_app_key(actor, app_key)
    lifecycle.end_overlaps(timezone.now() + timedelta(days=2))
    new = acme.knows("second-secret-of-acme")
    lifecycle.rotate_provider_key(actor, provider_key, secret=new, overlap_seconds=0)
    assert codes() == []
    for key in (app_key, provider_key):
        key.versions.filter(number=1).update(stage=Stage.PREVIOUS, retires_at=later)
    assert codes() == [("Main", 1, "came_back"), ("Web", 1, "came_back")]
    for key in (app_key, provider_key):
        key.versions.filter(number=1).update(stage=Stage.RETIRED)

    third = acme.knows("third-secret-of-acme")
    lifecycle.report_compromised(actor, provider_key, reason="leaked", secret=third)
    assert codes() == []
    provider_key.versions.filter(number=3).delete()
    provider_key.versions.filter(number=2).update(stage=Stage.CURRENT)
    assert codes() == [("Main", 2, "wrong_stage"), ("Main", 3, "missing")]


def test_overlaps_that_are_open_extended_or_finished_are_no_finding(
    provider_key: ProviderKey, app_key: AppKey, acme: Acme, actor: Actor
) -> None:
    new = acme.knows("second-secret-of-acme")
    lifecycle.rotate_provider_key(actor, provider_key, secret=new)
    lifecycle.rotate_app_key(actor, app_key)
    for act in (
        lambda key: lifecycle.extend_overlap(actor, key, overlap_seconds=7200),
        lambda key: lifecycle.disable(actor, key),
        lambda key: lifecycle.enable(actor, key),
        lambda key: lifecycle.finish_rotation(actor, key),
        lambda key: lifecycle.revoke(actor, key),
    ):
        for key in (provider_key, app_key):
            act(key)
        assert codes() == []


def test_an_overlap_without_its_end_is_found_and_the_old_secret_refused(
    provider_key: ProviderKey, app_key: AppKey, acme: Acme, actor: Actor
) -> None:
    new = acme.knows("second-secret-of-acme")
    lifecycle.rotate_provider_key(actor, provider_key, secret=new)
    lifecycle.rotate_app_key(actor, app_key)
    for key in (provider_key, app_key):
        lifecycle.extend_overlap(actor, key, overlap_seconds=7200)
    assert codes() == []
    for ends in (None, timezone.now() + timedelta(days=4000)):
        for key in (provider_key, app_key):
            key.versions.filter(number=1).update(retires_at=ends)
        assert codes() == [("Main", 1, "came_back"), ("Web", 1, "came_back")]
    AppKeyVersion.objects.filter(number=1).update(retires_at=None)
    ProviderKeyVersion.objects.filter(number=1).update(retires_at=None)
    lookup = app_key.versions.get(number=1).lookup
    record = loading.app_key(lookup)
    assert record is not None
    assert record.retired
    (pooled,) = loading.pool((provider_key.application_id, "acme"))
    assert pooled.previous is None
    assert lifecycle.end_overlaps(timezone.now()) == 2


def test_a_trail_that_was_written_into_is_no_witness(app_key: AppKey, actor: Actor) -> None:
    lifecycle.disable(actor, app_key)
    AppKey.objects.update(state="active")
    forged = AuditEvent.objects.get(action="key.disabled")
    AuditEvent.objects.create(
        at=timezone.now(),
        actor_name=forged.actor_name,
        action="key.enabled",
        application_id=forged.application_id,
        target=forged.target,
        digest="0" * 64,
    )
    assert [code for _, _, code in codes()] == ["broken_trail"]


def test_what_the_trail_does_not_tell_of_is_found(
    provider_key: ProviderKey, app_key: AppKey, acme: Acme, actor: Actor
) -> None:
    lifecycle.report_compromised(
        actor, provider_key, reason="leaked", secret=acme.knows("second-secret-of-acme")
    )
    assert codes() == []
    provider_key.versions.filter(number=1).update(compromised_at=None)
    AppKeyFactory(application=app_key.application, name="Untold")
    assert codes() == [("Main", 1, "unmarked"), ("Untold", 1, "untold")]
    provider_key.versions.filter(number=1).delete()
    assert codes() == [("Untold", 1, "untold"), ("Main", 1, "missing")]


def test_a_provider_key_written_over_to_another_provider_is_found(
    provider_key: ProviderKey, blind: Provider
) -> None:
    ProviderKey.objects.update(provider="blind")
    assert codes() == [("Main", 1, "undecryptable")]  # it is sealed for its provider
    ProviderKey.objects.update(provider="acme")
    provider_key.versions.update(entered_for="https://evil.example")
    assert codes() == [("Main", 1, "undecryptable")]


def test_a_secret_that_got_out_and_is_in_use_elsewhere_is_found_and_told_at_once(
    provider_key: ProviderKey, actor: Actor, client_of: ClientOf
) -> None:
    other = ApplicationFactory(name="Blog")
    boss = UserFactory()
    MembershipFactory(application=other, user=boss, role="owner")
    copy = lifecycle.add_provider_key(
        Actor.person(boss), other, name="Copy", provider="acme", secret="first-secret-of-acme"
    )
    lifecycle.report_compromised(actor, provider_key, reason="leaked")
    client, place = client_of(boss), f"/applications/{other.slug}/provider-keys/{copy.pk}/"
    assert "Blog · Copy works with a secret that got out" in client.get("/").content.decode()
    assert "A secret that got out still works here" in client.get(place).content.decode()
    assert codes() == [("Copy", 1, "got_out")]
    lifecycle.report_compromised(Actor.person(boss), copy, reason="leaked")
    assert "that got out" not in client.get("/").content.decode()
    assert "still works here" not in client.get(place).content.decode()
    assert codes() == []


def test_the_secret_in_use_is_marked_whatever_else_does_not_open(
    provider_key: ProviderKey, acme: Acme, actor: Actor
) -> None:
    with pytest.raises(lifecycle.Invalid):
        lifecycle.rotate_provider_key(actor, provider_key, secret="refused-secret-of-acme")
    provider_key.versions.update(sealed="garbage")
    for _ in range(2):
        assert codes() == [("Main", 1, "undecryptable"), ("Main", 2, "undecryptable")]
        provider_key.refresh_from_db()
        assert provider_key.verdict == Verdict.UNDECRYPTABLE


def test_a_missing_master_key_of_one_application_hides_nothing_of_the_others(
    provider_key: ProviderKey, actor: Actor
) -> None:
    other = ApplicationFactory()
    key = lifecycle.create_app_key(actor, other, name="Other")[0]
    DataKey.objects.filter(application_id=provider_key.application_id).update(master="f" * 8)
    vault.forget()
    break_secret(key)
    assert codes() == [("Main", 1, "no_master"), ("Other", 1, "undecryptable")]


def test_a_trail_from_before_a_limit_was_known_tells_that_there_was_none(
    actor: Actor, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        known = [name for name in LIMITS if name not in ("per_month", "methods")]
        before.setattr("keys.models.app_keys.LIMITS", known)
        key, _ = lifecycle.create_app_key(actor, application, name="Old", per_day=5)
    assert codes() == []
    for widened in ({"per_month": 10**6}, {"methods": ["DELETE"]}):
        AppKey.objects.filter(pk=key.pk).update(**widened)
        assert codes() == [("Old", 1, "wrong_limits")]
        AppKey.objects.filter(pk=key.pk).update(**dict.fromkeys(widened))


def test_limits_widened_past_keydeck_are_found(
    actor: Actor, application: Application, app_key: AppKey
) -> None:
    lifecycle.set_limits(actor, app_key, per_minute=60, ips=["10.0.0.0/8"])
    ends = timezone.now() + timedelta(days=30)
    lifecycle.set_limits(actor, app_key, per_day=1000, expires_at=ends, ips=None)
    assert codes() == []
    for widened in (
        {"per_minute": 6000},
        {"per_day": None},
        {"per_month": 10**6},
        {"methods": ["DELETE"]},
        {"expires_at": ends + timedelta(days=300)},
        {"providers": ["modelslab"]},
    ):
        whole = AppKey.objects.filter(pk=app_key.pk).values(*widened).get()
        AppKey.objects.update(**widened)
        assert codes() == [("Web", 1, "wrong_limits")]
        AppKey.objects.update(**whole)
    assert codes() == []
