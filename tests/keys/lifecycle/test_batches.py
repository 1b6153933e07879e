"""One act on many keys, in the background."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys import lifecycle, vault
from keys.audit import Action, Actor
from keys.lifecycle import Conflict, Invalid, batches
from keys.models import ApiToken, AppKey, AuditEvent, Batch, BatchItem, Membership, ProviderKey
from tests.factories import ApiTokenFactory, AppKeyFactory, ApplicationFactory, ProviderKeyFactory

SECONDS = 60


@pytest.fixture
def keys(application):
    return [AppKeyFactory(application=application) for _ in range(60)]


def ids(keys):
    return [key.pk for key in keys]


def states():
    return set(AppKey.objects.values_list("state", flat=True))


def test_every_key_is_acted_on_and_audited_by_whom_asked(actor, application, keys):
    batch = lifecycle.start_batch(actor, application, "app_key", "revoke", ids(keys))
    assert states() == {"active"}

    assert lifecycle.run_batches(SECONDS) == 60
    batch.refresh_from_db()
    assert states() == {"revoked"}
    assert (batch.total, batch.done, batch.refused) == (60, 60, 0)
    assert batch.ended_at is not None
    revoked = AuditEvent.objects.filter(action=Action.KEY_REVOKED, actor=actor.user)
    assert revoked.count() == 60
    ended = AuditEvent.objects.get(action=Action.BATCH_ENDED)
    assert ended.detail == {"act": "revoke", "done": 60, "refused": 0}


def test_what_a_key_refuses_is_told_and_the_others_go_on(actor, application, keys):
    lifecycle.revoke(actor, keys[3])
    batch = lifecycle.start_batch(actor, application, "app_key", "disable", ids(keys))
    gone = keys[5].pk
    keys[5].delete()
    lifecycle.run_batches(SECONDS)
    batch.refresh_from_db()

    assert (batch.done, batch.refused) == (58, 2)
    refused = dict(batch.items.filter(outcome="refused").values_list("key_id", "why"))
    assert "revoked" in refused[keys[3].pk]
    assert "gone" in refused[gone]


def test_provider_keys_are_acted_on_too(actor, application):
    keys = [ProviderKeyFactory(application=application) for _ in range(3)]
    lifecycle.start_batch(actor, application, "provider_key", "disable", ids(keys))
    lifecycle.run_batches(SECONDS)

    assert set(ProviderKey.objects.values_list("state", flat=True)) == {"disabled"}


def test_tags_are_put_on_and_taken_off(actor, application, keys):
    lifecycle.describe(actor, keys[0], tags="eu")
    for act in ("tag", "untag", "tag"):
        lifecycle.start_batch(actor, application, "app_key", act, ids(keys[:2]), "Prod")
        lifecycle.run_batches(SECONDS)

    keys[0].refresh_from_db()
    keys[1].refresh_from_db()
    assert (keys[0].tag_list, keys[1].tag_list) == (["eu", "prod"], ["prod"])


def test_app_keys_are_rotated_with_an_overlap(actor, application, keys):
    lifecycle.start_batch(actor, application, "app_key", "rotate", ids(keys[:3]), "3600")
    lifecycle.run_batches(SECONDS)

    for key in keys[:3]:
        assert set(key.versions.values_list("stage", flat=True)) == {"current", "previous"}


def test_where_keys_are_shown_once_none_is_rotated_unseen(actor, application, keys):
    lifecycle.set_policy(actor, application, show_app_keys_once=True)

    with pytest.raises(Conflict, match="once"):
        lifecycle.start_batch(actor, application, "app_key", "rotate", ids(keys), "3600")


@pytest.mark.parametrize(
    ("kind", "act", "argument", "field"),
    [
        ("key", "revoke", "", "kind"),
        ("app_key", "explode", "", "act"),
        ("provider_key", "rotate", "60", "act"),
        ("app_key", "rotate", "", "argument"),
        ("app_key", "rotate", "-1", "argument"),
        ("app_key", "rotate", "99999999999", "overlap_seconds"),
        ("app_key", "tag", "a b", "argument"),
        ("app_key", "tag", "", "argument"),
    ],
)
def test_what_cannot_be_is_refused(actor, application, keys, kind, act, argument, field):
    with pytest.raises(Invalid) as refused:
        lifecycle.start_batch(actor, application, kind, act, ids(keys), argument)

    assert refused.value.field == field
    assert not Batch.objects.exists()


def test_keys_of_another_application_are_refused(actor, application, keys):
    foreign = AppKeyFactory(application=ApplicationFactory())
    for wanted in ([*ids(keys), foreign.pk], ["x" * 12], []):
        with pytest.raises(Invalid):
            lifecycle.start_batch(actor, application, "app_key", "revoke", wanted)


def test_more_than_ten_thousand_are_refused(actor, application):
    with pytest.raises(Invalid, match="10000"):
        wanted = [f"{n:012}" for n in range(10_001)]
        lifecycle.start_batch(actor, application, "app_key", "revoke", wanted)


def test_a_batch_that_is_stopped_leaves_the_rest_alone(actor, application, keys):
    batch = lifecycle.start_batch(actor, application, "app_key", "revoke", ids(keys))
    batches._run_part(batch)
    lifecycle.stop_batch(actor, batch)
    lifecycle.run_batches(SECONDS)
    batch.refresh_from_db()

    assert (batch.done, batch.stopped) == (batches.PART, True)
    assert AppKey.objects.filter(state="active").count() == 60 - batches.PART
    with pytest.raises(Conflict):
        lifecycle.stop_batch(actor, batch)


def test_who_lost_the_right_meanwhile_changes_nothing_more(actor, application, keys):
    batch = lifecycle.start_batch(actor, application, "app_key", "revoke", ids(keys))
    batches._run_part(batch)
    Membership.objects.filter(user=actor.user).update(role="viewer")
    lifecycle.run_batches(SECONDS)
    batch.refresh_from_db()

    assert (batch.done, batch.refused) == (batches.PART, 60 - batches.PART)


def test_what_a_dead_worker_left_is_taken_up_when_its_lease_ends(actor, application, keys):
    batch = lifecycle.start_batch(actor, application, "app_key", "disable", ids(keys))
    assert batches._claim(batch)
    batches._run_part(batch)  # and here the worker dies
    assert lifecycle.run_batches(SECONDS) == 0

    Batch.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert lifecycle.run_batches(SECONDS) == 60 - batches.PART
    batch.refresh_from_db()
    assert batch.done == 60


def test_an_item_is_never_done_twice(actor, application, keys):
    batch = lifecycle.start_batch(actor, application, "app_key", "disable", ids(keys))
    items = list(batch.items.all())
    who = Actor.person(actor.user)
    for item in (*items, *items):
        batches._run_item(batch, who, item)
    batch.refresh_from_db()

    assert (batch.done, batch.refused) == (60, 0)
    assert AuditEvent.objects.filter(action=Action.KEY_DISABLED).count() == 60


def test_with_the_vault_sealed_a_rotation_waits(actor, application, keys, settings):
    batch = lifecycle.start_batch(actor, application, "app_key", "rotate", ids(keys[:2]), "60")
    held, settings.MASTER_KEYS = settings.MASTER_KEYS, ""
    vault.forget()
    lifecycle.run_batches(SECONDS)
    batch.refresh_from_db()
    assert (batch.done, batch.refused, batch.lease_until) == (0, 0, None)

    settings.MASTER_KEYS = held
    vault.forget()
    lifecycle.run_batches(SECONDS)
    batch.refresh_from_db()
    assert batch.done == 2


def test_a_batch_that_ended_long_ago_is_forgotten(actor, application, keys):
    old = lifecycle.start_batch(actor, application, "app_key", "disable", ids(keys[:1]))
    lifecycle.run_batches(SECONDS)
    Batch.objects.update(ended_at=timezone.now() - batches.KEPT - timedelta(hours=1))
    lifecycle.start_batch(actor, application, "app_key", "enable", ids(keys[:1]))
    lifecycle.run_batches(SECONDS)

    assert not Batch.objects.filter(pk=old.pk).exists()


@pytest.mark.parametrize("spoil", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now()}])
def test_with_the_token_it_was_asked_for_it_ends(actor, application, keys, spoil):
    token = ApiTokenFactory(user=actor.user)
    mine = Actor.person(actor.user, "", token.name, token.pk)
    batch = lifecycle.start_batch(mine, application, "app_key", "disable", ids(keys))
    assert batches._claim(batch)
    batches._run_part(batch)
    Batch.objects.update(lease_until=None)
    ApiToken.objects.update(**spoil)
    lifecycle.run_batches(SECONDS)
    batch.refresh_from_db()

    assert (batch.done, batch.refused) == (batches.PART, 60 - batches.PART)


def test_where_keys_are_shown_once_by_then_a_rotation_loses_no_text(actor, application, keys):
    batch = lifecycle.start_batch(actor, application, "app_key", "rotate", ids(keys[:2]), "60")
    application.show_app_keys_once = True
    application.save()
    lifecycle.run_batches(SECONDS)
    batch.refresh_from_db()

    assert (batch.done, batch.refused) == (0, 2)
    assert "one by one" in batch.items.first().why


FORGED = "Nobody asked for this: it was written past Keydeck."


def why(batch):
    return set(batch.items.filter(outcome="refused").values_list("why", flat=True))


def test_rows_written_past_keydeck_are_carried_out_in_nobodys_name(actor, application, keys):
    forged = Batch.objects.create(
        application=application, kind="app_key", act="revoke", created_by=actor.user, total=1
    )
    BatchItem.objects.create(batch=forged, key_id=keys[0].pk, seal="0" * 64)
    asked = lifecycle.start_batch(actor, application, "app_key", "disable", ids(keys[1:3]))
    asked.items.filter(key_id=keys[1].pk).update(key_id=keys[3].pk)
    lifecycle.run_batches(SECONDS)

    assert why(asked) == {FORGED}
    assert set(forged.items.values_list("outcome", flat=True)) == {"waiting"}  # and it ended
    assert not AuditEvent.objects.filter(action=Action.KEY_REVOKED).exists()
    disabled = AppKey.objects.filter(state="disabled")
    assert [key.pk for key in disabled] == [keys[2].pk]


@pytest.mark.parametrize("field", ["act", "argument", "kind"])
def test_what_was_asked_for_is_not_changed_on_the_way(actor, application, keys, field):
    batch = lifecycle.start_batch(actor, application, "app_key", "tag", ids(keys[:2]), "eu")
    Batch.objects.update(**{field: {"act": "revoke", "argument": "us", "kind": "other"}[field]})
    lifecycle.run_batches(SECONDS)
    assert why(batch) == {FORGED}
    assert states() == {"active"}
    assert not AppKey.objects.exclude(tags="").exists()


def test_a_batch_that_ended_is_not_opened_again(actor, application, keys):
    batch = lifecycle.start_batch(actor, application, "app_key", "disable", ids(keys[:2]))
    lifecycle.run_batches(SECONDS)
    lifecycle.enable(actor, AppKey.objects.get(pk=keys[0].pk))
    Batch.objects.update(ended_at=None)
    batch.items.update(outcome="waiting")
    lifecycle.run_batches(SECONDS)
    assert AppKey.objects.get(pk=keys[0].pk).state == "active"


def test_a_batch_that_was_stopped_is_not_set_going_again(actor, application, keys):
    batch = lifecycle.start_batch(actor, application, "app_key", "revoke", ids(keys[:2]))
    lifecycle.stop_batch(actor, batch)
    Batch.objects.update(stopped=False)
    lifecycle.run_batches(SECONDS)
    assert states() == {"active"}


def test_a_long_batch_keeps_a_short_one_waiting_for_a_part_alone(actor, application, keys):
    lifecycle.start_batch(actor, application, "app_key", "disable", ids(keys))
    there = ApplicationFactory()
    mine = AppKeyFactory(application=there)
    short = lifecycle.start_batch(actor, there, "app_key", "disable", [mine.pk])
    looked = []
    real = batches._run_part

    def run_part(batch):
        looked.append(batch.pk)
        return real(batch)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(batches, "_run_part", run_part)
        lifecycle.run_batches(SECONDS)
    assert looked.index(short.pk) == 1
    assert not Batch.objects.filter(ended_at=None).exists()
