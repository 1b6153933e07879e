"""Disable, enable, revoke: the table of states, step by step, for both kinds of keys."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys import changes, lifecycle, vault
from keys.audit import Actor
from keys.lifecycle import Conflict
from keys.lifecycle.versions import slot_of
from keys.models import AppKey, Application, AuditEvent, ProviderKey
from keys.states import TRANSITIONS, KeyState
from tests.factories import AppKeyFactory, ProviderKeyFactory, add_version

ACTS = {
    "disable": lifecycle.disable,
    "enable": lifecycle.enable,
    "revoke": lifecycle.revoke,
}


@pytest.fixture(params=[ProviderKeyFactory, AppKeyFactory], ids=["provider_key", "app_key"])
def key(request: pytest.FixtureRequest, application: Application) -> Any:
    return request.param(application=application)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("state", KeyState)
def test_an_act_is_taken_only_from_the_states_of_the_table(
    actor: Actor, key: Any, act: str, state: KeyState
) -> None:
    type(key).objects.filter(pk=key.pk).update(state=state)
    allowed, target = TRANSITIONS[act]
    before = changes.current()
    if state in allowed:
        ACTS[act](actor, key)
        assert changes.current() > before
        assert AuditEvent.objects.get().target.endswith(key.pk)
    else:
        with pytest.raises(Conflict):
            ACTS[act](actor, key)
        assert changes.current() == before
        assert not AuditEvent.objects.exists()
    key.refresh_from_db()
    assert key.state == (target if state in allowed else state)


def test_a_key_in_hand_tells_its_new_state(actor: Actor, key: Any) -> None:
    lifecycle.disable(actor, key)
    assert key.state == "disabled"
    lifecycle.enable(actor, key)
    assert key.state == "active"


def test_a_key_whose_time_is_over_is_not_enabled(actor: Actor, application: Application) -> None:
    over = timezone.now() - timedelta(seconds=1)
    key = AppKeyFactory(application=application, state=KeyState.DISABLED, expires_at=over)
    with pytest.raises(Conflict, match="expired"):
        lifecycle.enable(actor, key)


def test_revoking_twice_is_a_conflict_that_says_so(actor: Actor, key: Any) -> None:
    lifecycle.revoke(actor, key)
    with pytest.raises(Conflict, match="can't be undone"):
        lifecycle.revoke(actor, key)


def test_a_revoked_provider_key_keeps_its_secret_and_is_due_for_a_look(
    actor: Actor, application: Application
) -> None:
    key = ProviderKeyFactory(application=application, secret="sk-still-live-0001")
    add_version(key, "sk-next-0002", number=2, stage="pending")
    add_version(key, "sk-old-0000", number=3, stage="previous")
    lifecycle.revoke(actor, key)
    key.refresh_from_db()
    assert key.live_at_provider is None
    assert key.next_check_at is None  # its versions are watched instead
    watched = key.versions.filter(watch_at__isnull=False).values_list("number", flat=True)
    assert set(watched) == {1, 3}
    stages = dict(key.versions.values_list("number", "stage"))
    assert stages == {1: "current", 2: "failed", 3: "retired"}
    version = key.versions.get(number=1)
    assert vault.unseal(slot_of(key, version), version.sealed).reveal() == "sk-still-live-0001"


def test_a_revoked_app_keys_text_is_dropped(actor: Actor, application: Application) -> None:
    key: AppKey = AppKeyFactory(application=application)
    lifecycle.revoke(actor, key)
    assert key.versions.get().sealed == ""
    with pytest.raises(Conflict, match="revoked"):
        lifecycle.copy_app_key(actor, key)


def test_revealing_a_provider_key_needs_a_reason_that_is_written_down(
    actor: Actor, application: Application
) -> None:
    key: ProviderKey = ProviderKeyFactory(application=application, secret="sk-live-0001")
    for reason in ("", "  \n", "x" * 501):
        with pytest.raises(lifecycle.Invalid) as caught:
            lifecycle.reveal_provider_key(actor, key, reason=reason)
        assert caught.value.field == "reason"
    secret = lifecycle.reveal_provider_key(actor, key, reason=" moving to\nthe new host ")
    assert secret.reveal() == "sk-live-0001"
    assert AuditEvent.objects.get().detail["reason"] == "moving to the new host"


def test_without_an_audit_row_there_is_no_reveal(
    actor: Actor, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ProviderKeyFactory(application=application)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no room on the disk")

    monkeypatch.setattr("keys.audit.record", broken)
    with pytest.raises(RuntimeError):
        lifecycle.reveal_provider_key(actor, key, reason="look")
