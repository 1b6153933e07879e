"""App keys: issued, copied again, rotated with an overlap, limited, expired."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys import lifecycle, tokens, vault
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import AppKey, AppKeyVersion, Application, AuditEvent
from keys.vault import Sealed, Secret


def stages(key: AppKey) -> dict[int, str]:
    return dict(key.versions.order_by("number").values_list("number", "stage"))


@pytest.fixture
def key(actor: Actor, application: Application) -> AppKey:
    return lifecycle.create_app_key(actor, application, name="Web")[0]


def test_a_new_key_says_what_it_is_and_is_found_by_its_hash(
    actor: Actor, application: Application
) -> None:
    key, secret = lifecycle.create_app_key(actor, application, name=" Web ", environment="test")
    assert key.name == "Web"
    assert tokens.parse_app_key(secret.reveal()) == tokens.ParsedKey("test", key.pk)
    version = AppKeyVersion.objects.get(lookup=vault.lookup_hash(secret.reveal()))
    assert (version.key_id, version.stage, version.last4) == (key.pk, "current", secret.last4)
    assert secret.reveal() not in version.sealed


def test_the_policy_is_kept_in_canonical_form(actor: Actor, application: Application) -> None:
    expiry = timezone.now() + timedelta(days=1)
    key, _ = lifecycle.create_app_key(
        actor,
        application,
        name="Web",
        providers=["openai", "openai", "modelslab"],
        expires_at=expiry,
        per_minute=60,
        per_month=9000,
        endpoints=[" /api/v6/* ", "/v1/chat/*"],
        methods=["post", " GET ", "POST"],
        ips=["203.0.113.0/24", "2001:db8::1"],
    )
    key.refresh_from_db()
    assert key.providers == ["openai", "modelslab"]
    assert key.endpoints == ["/api/v6/*", "/v1/chat/*"]
    assert key.methods == ["GET", "POST"]
    assert key.ips == ["203.0.113.0/24", "2001:db8::1/128"]
    assert (key.per_minute, key.per_day, key.per_month) == (60, None, 9000)
    assert key.expires_at == expiry


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("environment", "prod"),
        ("expires_at", timezone.now() - timedelta(seconds=1)),
        ("per_minute", 0),
        ("per_minute", -5),
        ("per_day", True),
        ("per_month", 0),
        ("concurrency", 10**12),
        ("methods", []),
        ("methods", ["GET", "FETCH"]),
        ("providers", []),
        ("providers", ["nobody"]),
        ("endpoints", []),
        ("endpoints", ["api/v6"]),
        ("endpoints", ["/has space"]),
        ("endpoints", ["/api/../v6/*"]),
        ("endpoints", ["/api//v6"]),
        ("endpoints", ["/api/./v6"]),
        ("endpoints", ["/" + "x" * 300]),
        ("ips", []),
        ("ips", ["203.0.113.1/24"]),
        ("ips", ["everywhere"]),
        ("ips", ["1.2.3.4/33"]),
        ("name", ""),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_by_its_field(
    actor: Actor, application: Application, field: str, value: Any
) -> None:
    with pytest.raises(Invalid) as caught:
        lifecycle.create_app_key(actor, application, **{"name": "Web", field: value})
    assert caught.value.field == field
    assert not AppKey.objects.exists()


def test_a_name_is_one_of_a_kind(actor: Actor, application: Application, key: AppKey) -> None:
    with pytest.raises(Conflict, match="Web") as caught:
        lifecycle.create_app_key(actor, application, name="Web")
    assert caught.value.existing == "Web"


def test_copying_gives_the_same_text_and_is_audited(actor: Actor, application: Application) -> None:
    key, secret = lifecycle.create_app_key(actor, application, name="Web")
    assert lifecycle.copy_app_key(actor, key) == secret
    event = AuditEvent.objects.get(action="app_key.copied")
    assert (event.target, event.application_id) == (f"app_key:{key.pk}", application.pk)


def test_turning_on_show_once_forgets_the_texts_kept_so_far(
    actor: Actor, application: Application, key: AppKey
) -> None:
    lifecycle.set_policy(actor, application, show_app_keys_once=True)
    assert set(AppKeyVersion.objects.values_list("sealed", flat=True)) == {""}
    with pytest.raises(Conflict, match="once"):
        lifecycle.copy_app_key(actor, key)
    secret = lifecycle.rotate_app_key(actor, key)
    assert tokens.parse_app_key(secret.reveal())
    assert set(AppKeyVersion.objects.values_list("sealed", flat=True)) == {""}


def test_both_texts_work_in_the_overlap_and_then_the_new_one(actor: Actor, key: AppKey) -> None:
    old = lifecycle.copy_app_key(actor, key)
    new = lifecycle.rotate_app_key(actor, key, overlap_seconds=60)
    assert stages(key) == {1: "previous", 2: "current"}
    assert lifecycle.copy_app_key(actor, key) == new != old
    assert lifecycle.end_overlaps(timezone.now() + timedelta(seconds=61)) == 1
    assert stages(key) == {1: "retired", 2: "current"}


def test_a_second_rotation_waits_for_the_overlap(actor: Actor, key: AppKey) -> None:
    lifecycle.rotate_app_key(actor, key)
    with pytest.raises(Conflict, match="overlap"):
        lifecycle.rotate_app_key(actor, key)
    lifecycle.finish_rotation(actor, key)
    lifecycle.rotate_app_key(actor, key, overlap_seconds=0)
    assert stages(key) == {1: "retired", 2: "retired", 3: "current"}


def test_cancelling_a_rotation_brings_the_old_text_back(actor: Actor, key: AppKey) -> None:
    old = lifecycle.copy_app_key(actor, key)
    lifecycle.rotate_app_key(actor, key)
    lifecycle.cancel_rotation(actor, key)
    assert stages(key) == {1: "current", 2: "retired"}
    assert lifecycle.copy_app_key(actor, key) == old


def test_limits_given_are_set_and_others_stay(actor: Actor, key: AppKey) -> None:
    lifecycle.set_limits(actor, key, per_minute=60, per_day=1000)
    lifecycle.set_limits(actor, key, per_minute=None, ips=["10.0.0.0/8"])
    key.refresh_from_db()
    assert (key.per_minute, key.per_day, key.ips) == (None, 1000, ["10.0.0.0/8"])
    event = AuditEvent.objects.filter(action="app_key.limits_changed").latest("id")
    assert event.detail["was"] == {"per_minute": 60, "ips": None}
    assert event.detail["now"] == {"per_minute": None, "ips": ["10.0.0.0/8"]}


def test_limits_that_do_not_change_leave_no_trace(actor: Actor, key: AppKey) -> None:
    lifecycle.set_limits(actor, key, per_minute=None)
    lifecycle.set_limits(actor, key)
    assert not AuditEvent.objects.filter(action="app_key.limits_changed").exists()


def test_a_key_expires_by_the_clock_once(actor: Actor, application: Application) -> None:
    expiry = timezone.now() + timedelta(hours=1)
    key, _ = lifecycle.create_app_key(actor, application, name="Short", expires_at=expiry)
    assert lifecycle.expire_app_keys(expiry - timedelta(seconds=1)) == 0
    assert lifecycle.expire_app_keys(expiry) == 1
    assert lifecycle.expire_app_keys(expiry) == 0
    key.refresh_from_db()
    assert key.state == "expired"
    for act in (lifecycle.enable, lifecycle.disable, lifecycle.rotate_app_key):
        with pytest.raises(Conflict):
            act(actor, key)
    with pytest.raises(Conflict):
        lifecycle.copy_app_key(actor, key)
    lifecycle.revoke(actor, key)


def test_without_an_audit_row_there_is_no_copy(
    actor: Actor, key: AppKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no room on the disk")

    monkeypatch.setattr("keys.audit.record", broken)
    with pytest.raises(RuntimeError):
        lifecycle.copy_app_key(actor, key)


def test_revoking_works_while_the_vault_is_sealed_and_copying_does_not(
    actor: Actor, key: AppKey, settings: Any
) -> None:
    settings.MASTER_KEYS = "q" * 43 + "="
    vault.forget()
    with pytest.raises(Sealed):
        lifecycle.copy_app_key(actor, key)
    lifecycle.revoke(actor, key)
    assert key.state == "revoked"


def test_the_text_is_given_as_a_secret(actor: Actor, application: Application) -> None:
    key, secret = lifecycle.create_app_key(actor, application, name="Web")
    assert isinstance(secret, Secret)
    assert secret.reveal() not in f"{key!r} {key} {secret!r}"
