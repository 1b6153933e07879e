"""A secret that got out: refused at once, replaced or not, watched until its provider agrees."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys import exposure, lifecycle, vault, watching
from keys.audit import Action, Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import AppKey, Application, AuditEvent, ProviderKey
from tests.factories import AppKeyFactory, ApplicationFactory, ProviderKeyFactory, add_version
from tests.keys.conftest import Acme

pytestmark = pytest.mark.django_db
OLD, OLDER, NEW = "old-secret-0001", "older-secret-0002", "new-secret-0003"
REASON = "pasted into a chat"


@pytest.fixture
def key(application: Application, acme: Acme) -> ProviderKey:
    """In the middle of an overlap, with one more secret from before it."""
    made: ProviderKey = ProviderKeyFactory(
        application=application, provider="acme", secret=OLD, verdict="live"
    )
    later = timezone.now() + timedelta(days=1)
    add_version(made, OLDER, number=2, stage="previous", retires_at=later)
    add_version(made, "oldest-secret-0000", number=3, stage="retired")
    for secret in (OLD, OLDER, "oldest-secret-0000", NEW):
        acme.knows(secret)
    return made


@pytest.fixture
def app_key(application: Application, actor: Actor) -> AppKey:
    """In the middle of an overlap."""
    made: AppKey = AppKeyFactory(application=application)
    lifecycle.rotate_app_key(actor, made)
    return made


def stages(key: Any) -> dict[int, str]:
    return dict(key.versions.order_by("number").values_list("number", "stage"))


def test_without_a_new_secret_the_key_is_revoked_and_all_it_had_is_watched(
    actor: Actor, key: ProviderKey
) -> None:
    assert lifecycle.report_compromised(actor, key, reason=REASON) is None
    key.refresh_from_db()
    assert key.state == "revoked"
    assert key.versions.filter(watch_at__isnull=False, compromised_at__isnull=False).count() == 3
    event = AuditEvent.objects.get(action=Action.KEY_COMPROMISED)
    assert (event.detail["reason"], event.detail["versions"]) == (REASON, [1, 2, 3])


def test_a_new_secret_is_in_use_at_once_and_nothing_old_beside_it(
    actor: Actor, key: ProviderKey
) -> None:
    lifecycle.report_compromised(actor, key, reason=REASON, secret=NEW)
    key.refresh_from_db()
    assert (key.state, key.verdict) == ("active", "live")
    assert stages(key) == {1: "retired", 2: "retired", 3: "retired", 4: "current"}
    assert AuditEvent.objects.get(action=Action.KEY_COMPROMISED).detail["replaced_by"] == 4
    with pytest.raises(Conflict):  # nothing to bring back
        lifecycle.cancel_rotation(actor, key)


def test_the_old_one_does_not_come_back_when_the_provider_refuses_the_new_one(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    acme.knows(NEW, 401)
    lifecycle.report_compromised(actor, key, reason=REASON, secret=NEW)
    key.refresh_from_db()
    assert (stages(key)[4], stages(key)[1], key.verdict) == ("current", "retired", "dead")


def test_a_secret_waiting_for_its_test_is_dropped(actor: Actor, key: ProviderKey) -> None:
    add_version(key, "waiting-secret-0004", number=4, stage="pending")
    lifecycle.report_compromised(actor, key, reason=REASON, secret=NEW)
    assert (stages(key)[4], stages(key)[5]) == ("failed", "current")


@pytest.mark.parametrize("again", [OLD, OLDER, "oldest-secret-0000"])
def test_none_of_its_own_secrets_replaces_it(actor: Actor, key: ProviderKey, again: str) -> None:
    with pytest.raises(Invalid, match="compromised"):
        lifecycle.report_compromised(actor, key, reason=REASON, secret=again)
    assert stages(key)[1] == "current"
    assert not AuditEvent.objects.filter(action=Action.KEY_COMPROMISED).exists()


def test_what_got_out_is_not_taken_again_anywhere(actor: Actor, key: ProviderKey) -> None:
    lifecycle.report_compromised(actor, key, reason=REASON)
    other = ApplicationFactory()
    with pytest.raises(Invalid, match="compromised"):
        lifecycle.add_provider_key(actor, other, name="Again", provider="acme", secret=OLD)


def test_no_reason_no_act(actor: Actor, key: ProviderKey) -> None:
    with pytest.raises(Invalid) as refused:
        lifecycle.report_compromised(actor, key, reason=" ")
    assert (refused.value.field, key.versions.exclude(compromised_at=None).count()) == ("reason", 0)


def test_a_retired_secret_is_live_until_the_provider_refuses_it(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    lifecycle.report_compromised(actor, key, reason=REASON, secret=NEW)
    watching.watch_due(timezone.now() + timedelta(seconds=1))
    key.refresh_from_db()
    assert (key.live_at_provider, key.verdict) == (True, "live")
    for secret in (OLD, OLDER, "oldest-secret-0000"):
        acme.knows(secret, 401)
    for days in (2, 4):
        watching.watch_due(timezone.now() + timedelta(days=days))
    key.refresh_from_db()
    assert (key.live_at_provider, key.verdict) == (False, "live")
    assert not key.versions.filter(watch_at__isnull=False).exists()


def test_the_same_secret_elsewhere_is_ended_with_it_and_shown_while_it_is_not(
    actor: Actor, key: ProviderKey
) -> None:
    twins = [
        ProviderKeyFactory(application=ApplicationFactory(), provider="acme", secret=OLD)
        for _ in range(2)
    ]
    refused = lifecycle.report_everywhere(actor, key, twins[:1], reason=REASON, secret=NEW)
    assert refused == {}
    assert stages(twins[0]) == {1: "retired", 2: "current"}
    assert stages(twins[1]) == {1: "current"}
    assert twins[1] in lifecycle.same_secret(key)


def test_an_app_key_is_revoked_and_keeps_no_text(actor: Actor, app_key: AppKey) -> None:
    assert lifecycle.report_compromised(actor, app_key, reason=REASON) is None
    app_key.refresh_from_db()
    assert app_key.state == "revoked"
    assert not app_key.versions.exclude(sealed="").exists()


def test_an_app_key_goes_on_with_a_new_text_alone(actor: Actor, app_key: AppKey) -> None:
    text = lifecycle.report_compromised(actor, app_key, reason=REASON, replace=True)
    assert text is not None
    assert stages(app_key) == {1: "retired", 2: "retired", 3: "current"}
    assert app_key.versions.get(lookup=vault.lookup_hash(text.reveal())).number == 3
    assert not app_key.versions.exclude(number=3).exclude(sealed="").exists()
    assert [seen.times for seen in exposure.seen_by(app_key)] == [1]  # of the new text alone


@pytest.mark.parametrize("kind", ["key", "app_key"])
def test_of_a_revoked_key_it_is_written_down_once(actor: Actor, kind: str, request: Any) -> None:
    key = request.getfixturevalue(kind)
    lifecycle.revoke(actor, key)
    lifecycle.report_compromised(actor, key, reason=REASON)
    out = key.versions.exclude(compromised_at=None)
    assert out.count() == key.versions.count()
    first = out.first().compromised_at
    with pytest.raises(Conflict, match="already"):
        lifecycle.report_compromised(actor, key, reason=REASON)
    assert out.first().compromised_at == first
    new = {"secret": NEW} if kind == "key" else {"replace": True}
    with pytest.raises(Conflict, match="revoked"):
        lifecycle.report_compromised(actor, key, reason=REASON, **new)


def twin_of(key: ProviderKey) -> ProviderKey:
    twin: ProviderKey = ProviderKeyFactory(
        application=ApplicationFactory(), provider=key.provider, secret="their-own-secret"
    )
    return twin


@pytest.mark.parametrize(
    ("stage", "then"), [("previous", "retired"), ("pending", "failed"), ("tested", "failed")]
)
def test_elsewhere_it_is_ended_in_a_rotation_too_and_what_is_in_use_there_serves_on(
    actor: Actor, key: ProviderKey, stage: str, then: str
) -> None:
    twin = twin_of(key)
    add_version(twin, OLD, number=2, stage=stage, retires_at=timezone.now() + timedelta(days=1))
    assert lifecycle.same_secret(key) == [twin]
    untidy = " pasted\n into a  chat "
    assert lifecycle.report_everywhere(actor, key, [twin], reason=untidy) == {}
    told = AuditEvent.objects.filter(action=Action.KEY_COMPROMISED)
    assert {event.detail["reason"] for event in told} == {REASON}
    assert told.filter(target=twin.target).count() == 1
    assert stages(twin) == {1: "current", 2: then}
    lost = twin.versions.get(number=2)
    assert (lost.compromised_at is not None, lost.watch_at is not None) == (True, True)
    assert lifecycle.same_secret(key) == []


@pytest.mark.parametrize("act", [lifecycle.finish_rotation, lifecycle.cancel_rotation])
def test_where_it_was_not_ended_it_can_not_come_into_use(
    actor: Actor, key: ProviderKey, act: Any
) -> None:
    """Neither a secret that waits to be promoted, nor the previous one brought back."""
    twin = twin_of(key)
    waits = act is lifecycle.finish_rotation
    add_version(twin, OLD, number=2, stage="pending" if waits else "previous")
    lifecycle.report_compromised(actor, key, reason=REASON)
    with pytest.raises(Conflict, match="compromised"):
        act(actor, twin)
    assert stages(twin)[1] == "current"


def test_what_does_not_open_in_one_key_stops_none_of_the_others(
    actor: Actor, key: ProviderKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        ProviderKeyFactory(application=ApplicationFactory(), provider="acme", secret=OLD)
        for _ in range(2)
    )
    seal = vault.seal

    def refuses(slot: Any, secret: vault.Secret) -> str:
        if slot.application_id == first.application_id:
            raise vault.Undecryptable("its data key is gone")
        return seal(slot, secret)

    monkeypatch.setattr(vault, "seal", refuses)
    refused = lifecycle.report_everywhere(actor, key, [first, second], reason=REASON, secret=NEW)
    assert "can’t be opened" in refused[first]
    assert list(refused) == [first]
    assert stages(second) == {1: "retired", 2: "current"}


def test_with_the_vault_sealed_it_still_ends(actor: Actor, key: ProviderKey, settings: Any) -> None:
    settings.MASTER_KEYS = ""
    vault.forget()
    lifecycle.report_compromised(actor, key, reason=REASON)
    key.refresh_from_db()
    assert key.state == "revoked"


def test_the_same_secret_in_another_key_of_the_application_is_ended_too(
    actor: Actor, key: ProviderKey
) -> None:
    again = ProviderKeyFactory(application=key.application, provider="acme", secret=OLD)
    assert lifecycle.same_secret(key) == [again]
    assert lifecycle.report_everywhere(actor, key, [again], reason=REASON) == {}
    again.refresh_from_db()
    assert again.state == "revoked"


@pytest.mark.parametrize("stage", ["previous", "pending"])
def test_elsewhere_where_the_new_secret_is_already_the_old_one_ends_all_the_same(
    actor: Actor, key: ProviderKey, stage: str
) -> None:
    """In the middle of the very same rotation, before or after it was promoted."""
    twin = twin_of(key)
    twin.versions.all().delete()
    later = timezone.now() + timedelta(days=1)
    if stage == "previous":
        add_version(twin, OLD, number=1, stage="previous", retires_at=later)
        add_version(twin, NEW, number=2)
    else:
        add_version(twin, OLD, number=1)
        add_version(twin, NEW, number=2, stage="pending")
    refused = lifecycle.report_everywhere(actor, key, [twin], reason=REASON, secret=NEW)
    assert refused == {}
    working = twin.versions.filter(stage__in=["current", "previous"])
    assert {version.fingerprint for version in working} == {vault.fingerprint(vault.Secret(NEW))}


def test_a_secret_that_got_out_is_remembered_when_its_application_is_gone(
    actor: Actor, key: ProviderKey
) -> None:
    lifecycle.report_compromised(actor, key, reason=REASON)
    lifecycle.delete_application(actor, key.application)
    other = ApplicationFactory()
    with pytest.raises(Invalid, match="compromised"):
        lifecycle.add_provider_key(actor, other, name="New", provider="acme", secret=OLD)


def test_where_it_was_not_ended_it_is_not_enabled_or_let_serve_on(
    actor: Actor, key: ProviderKey, acme: Acme
) -> None:
    off, rotating = twin_of(key), twin_of(key)
    off.versions.all().delete()
    add_version(off, OLD, number=1)
    lifecycle.disable(actor, off)
    later = timezone.now() + timedelta(days=1)
    add_version(rotating, OLD, number=2, stage="previous", retires_at=later)
    lifecycle.report_compromised(actor, key, reason=REASON)
    with pytest.raises(Conflict, match="compromised"):
        lifecycle.enable(actor, off)
    with pytest.raises(Conflict, match="compromised"):
        lifecycle.extend_overlap(actor, rotating, overlap_seconds=3600)
    lifecycle.rotate_provider_key(actor, off, secret=NEW)  # and the old one doesn't serve on
    assert stages(off) == {1: "retired", 2: "current"}


def test_secrets_it_had_before_are_ended_elsewhere_too(actor: Actor, key: ProviderKey) -> None:
    """The previous one, and one that was retired long ago."""
    twins = [twin_of(key), twin_of(key)]
    for twin, secret in zip(twins, (OLDER, "oldest-secret-0000"), strict=True):
        twin.versions.all().delete()
        add_version(twin, secret, number=1)
    assert set(lifecycle.same_secret(key)) == set(twins)
    assert lifecycle.same_current(key) == []
    assert lifecycle.report_everywhere(actor, key, twins, reason=REASON, secret=NEW) == {}
    assert [stages(twin)[1] for twin in twins] == ["retired", "retired"]


def test_what_was_not_ended_elsewhere_can_be_ended_later(actor: Actor, key: ProviderKey) -> None:
    twin = ProviderKeyFactory(application=ApplicationFactory(), provider="acme", secret=OLD)
    lifecycle.report_compromised(actor, key, reason=REASON)
    assert lifecycle.report_everywhere(actor, key, [twin], reason=REASON) == {}
    twin.refresh_from_db()
    assert twin.state == "revoked"
