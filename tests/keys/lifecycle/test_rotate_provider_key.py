"""Rotating a provider key: pending, tested, current; the old secret serves out its overlap."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys import lifecycle, vault
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.lifecycle.versions import slot_of
from keys.models import Application, AuditEvent, Provider, ProviderKey
from tests.factories import ApplicationFactory, ProviderKeyFactory
from tests.keys.conftest import Acme

OLD, NEW, NEWER = "sk-acme-live-0001", "sk-acme-live-0002", "sk-acme-live-0003"


@pytest.fixture
def key(actor: Actor, application: Application, acme: Acme) -> ProviderKey:
    return lifecycle.add_provider_key(
        actor, application, name="Acme", provider="acme", secret=acme.knows(OLD)
    )


def stages(key: ProviderKey) -> dict[int, str]:
    return dict(key.versions.order_by("number").values_list("number", "stage"))


def test_the_new_secret_becomes_current_and_the_old_one_previous(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    before = timezone.now()
    version = lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW), overlap_seconds=600)
    assert (version.number, version.stage) == (2, "current")
    assert stages(key) == {1: "previous", 2: "current"}
    retires_at = key.versions.get(number=1).retires_at
    assert retires_at is not None
    assert timedelta(seconds=600) <= retires_at - before < timedelta(seconds=610)
    assert (key.verdict, key.evidence["version"]) == ("live", 2)
    assert vault.unseal(slot_of(key, version), version.sealed).reveal() == NEW


def test_without_an_overlap_the_old_secret_is_retired_at_once(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW), overlap_seconds=0)
    assert stages(key) == {1: "retired", 2: "current"}
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEWER), overlap_seconds=0)
    assert stages(key) == {1: "retired", 2: "retired", 3: "current"}


def test_a_secret_the_provider_refuses_fails_and_the_old_one_stays(
    actor: Actor, key: ProviderKey
) -> None:
    with pytest.raises(Invalid) as caught:
        lifecycle.rotate_provider_key(actor, key, secret="sk-acme-wrong-0002")
    assert caught.value.field == "secret"
    assert stages(key) == {1: "current", 2: "failed"}
    key.refresh_from_db()
    assert key.verdict == "live"
    assert key.versions.get(number=2).evidence["status"] == 401


def test_after_a_refusal_the_next_secret_may_come(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    with pytest.raises(Invalid):
        lifecycle.rotate_provider_key(actor, key, secret="sk-acme-wrong-0002")
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW))
    assert stages(key) == {1: "previous", 2: "failed", 3: "current"}


def test_a_test_that_comes_to_nothing_leaves_the_version_pending(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    version = lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW, 503))
    assert version.stage == "pending"
    assert stages(key) == {1: "current", 2: "pending"}
    with pytest.raises(Conflict, match="pending"):
        lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEWER))


def test_a_pending_version_is_promoted_on_purpose(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW, 503), overlap_seconds=600)
    lifecycle.finish_rotation(actor, key)
    assert stages(key) == {1: "previous", 2: "current"}
    key.refresh_from_db()
    assert key.verdict == "unchecked"
    event = AuditEvent.objects.filter(action="rotation.promoted").get()
    assert event.detail["on_purpose"] is True


def test_a_pending_version_is_dropped_by_cancelling(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW, 503))
    lifecycle.cancel_rotation(actor, key)
    assert stages(key) == {1: "current", 2: "failed"}
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW))


def test_cancelling_in_the_overlap_brings_the_old_secret_back(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW))
    lifecycle.cancel_rotation(actor, key)
    assert stages(key) == {1: "current", 2: "retired"}
    assert lifecycle.reveal_provider_key(actor, key, reason="look").reveal() == OLD
    key.refresh_from_db()
    assert key.verdict == "unchecked"  # what is known speaks of the secret that was dropped


def test_finishing_in_the_overlap_ends_it(actor: Actor, key: ProviderKey, acme: Acme) -> None:
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW))
    with pytest.raises(Conflict, match="overlap"):
        lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEWER))
    lifecycle.finish_rotation(actor, key)
    assert stages(key) == {1: "retired", 2: "current"}
    for nothing_open in (lifecycle.finish_rotation, lifecycle.cancel_rotation):
        with pytest.raises(Conflict, match="No rotation"):
            nothing_open(actor, key)


def test_the_clock_ends_an_overlap_once(actor: Actor, key: ProviderKey, acme: Acme) -> None:
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW), overlap_seconds=600)
    over = key.versions.get(number=1).retires_at
    assert lifecycle.end_overlaps(over - timedelta(seconds=1)) == 0
    assert lifecycle.end_overlaps(over) == 1
    assert lifecycle.end_overlaps(over) == 0
    assert stages(key) == {1: "retired", 2: "current"}
    event = AuditEvent.objects.get(action="rotation.overlap_ended")
    assert (event.actor_id, event.actor_name) == (None, "end_overlaps")


def test_an_overlap_that_is_over_does_not_block_the_next_rotation(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW))
    key.versions.filter(number=1).update(retires_at=timezone.now())
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEWER))
    assert stages(key) == {1: "retired", 2: "previous", 3: "current"}


@pytest.mark.parametrize("accepted", [False, True])
def test_without_a_probe_the_new_secret_waits_to_be_used_on_purpose(
    actor: Actor, application: Application, blind: Provider, accepted: bool
) -> None:
    key = lifecycle.add_provider_key(
        actor, application, name="B", provider="blind", secret="sk-blind-0001"
    )
    version = lifecycle.rotate_provider_key(
        actor, key, secret="sk-blind-0002", accept_untested=accepted
    )
    assert "no free request" in version.evidence["message"]
    if not accepted:
        assert version.stage == "pending"
        lifecycle.finish_rotation(actor, key)
        version.refresh_from_db()
    assert version.stage == "current"
    assert key.verdict == "unchecked"
    promoted = AuditEvent.objects.get(action="rotation.promoted")
    assert promoted.detail["on_purpose"] is True


def test_everywhere_the_provider_is_asked_once(actor: Actor, key: ProviderKey, acme: Acme) -> None:
    twins = [
        ProviderKeyFactory(application=ApplicationFactory(), provider="acme", secret=OLD)
        for _ in range(3)
    ]
    before = len(acme.upstream.requests)
    version, refused = lifecycle.rotate_everywhere(actor, key, twins, secret=acme.knows(NEW))
    assert (version.stage, refused) == ("current", {})
    assert [stages(twin) for twin in twins] == [{1: "previous", 2: "current"}] * 3
    assert len(acme.upstream.requests) - before == 1


def test_a_dead_key_lives_again_with_a_new_secret(
    actor: Actor, application: Application, acme: Acme
) -> None:
    key = lifecycle.add_provider_key(
        actor, application, name="Acme", provider="acme", secret="sk-acme-wrong-0001"
    )
    assert key.verdict == "dead"
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW))
    assert (key.verdict, key.refused_at) == ("live", None)


def test_the_secret_it_has_already_is_no_rotation(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    with pytest.raises(Conflict, match="already"):
        lifecycle.rotate_provider_key(actor, key, secret=OLD)


def test_a_revoked_key_is_not_rotated_and_a_disabled_one_is(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    lifecycle.disable(actor, key)
    lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW))
    assert key.state == "disabled"
    lifecycle.revoke(actor, key)
    with pytest.raises(Conflict, match="revoked"):
        lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEWER))


@pytest.mark.parametrize("seconds", [-1, 366 * 86400])
def test_an_overlap_out_of_bounds_is_refused(
    actor: Actor, key: ProviderKey, acme: Acme, seconds: int
) -> None:
    with pytest.raises(Invalid) as caught:
        lifecycle.rotate_provider_key(actor, key, secret=acme.knows(NEW), overlap_seconds=seconds)
    assert caught.value.field == "overlap_seconds"
