"""Several people (or processes) at once: one wins, the others are told, nothing is half done."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import Http404
from django.utils import timezone

from keys import audit, lifecycle, permissions, vault
from keys.audit import Actor
from keys.lifecycle import Conflict
from keys.lifecycle.versions import slot_of
from keys.models import (
    AppKey,
    AppKeyVersion,
    Application,
    AuditEvent,
    Membership,
    Provider,
    ProviderKey,
    ProviderKeyVersion,
    ToRotate,
    User,
)
from keys.states import Role
from tests.factories import AppKeyFactory, ApplicationFactory, MembershipFactory
from tests.keys.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


def outcomes(acts: Sequence[Callable[[], object]]) -> tuple[int, int]:
    """How many won and how many got a Conflict; anything else fails the test."""

    def told(act: Callable[[], object]) -> Callable[[], bool]:
        def run() -> bool:
            try:
                act()
            except Conflict:
                return False
            return True

        return run

    results = in_threads([told(act) for act in acts])
    return results.count(True), results.count(False)


def test_of_eight_rotations_of_an_app_key_one_wins(actor: Actor, application: Application) -> None:
    key = AppKeyFactory(application=application)
    acts = [
        lambda: lifecycle.rotate_app_key(actor, AppKey.objects.get(pk=key.pk)) for _ in range(8)
    ]
    assert outcomes(acts) == (1, 7)
    stages = list(AppKeyVersion.objects.order_by("number").values_list("stage", flat=True))
    assert stages == ["previous", "current"]
    assert AuditEvent.objects.filter(action="rotation.started").count() == 1
    assert audit.verify().ok


def test_of_eight_rotations_of_a_provider_key_one_wins(
    actor: Actor, application: Application, blind: Provider
) -> None:
    key = lifecycle.add_provider_key(
        actor, application, name="B", provider="blind", secret="sk-blind-0000"
    )

    def rotate(number: int) -> Callable[[], object]:
        return lambda: lifecycle.rotate_provider_key(
            actor,
            ProviderKey.objects.get(pk=key.pk),
            secret=f"sk-blind-000{number}",
            accept_untested=True,
        )

    assert outcomes([rotate(number) for number in range(1, 9)]) == (1, 7)
    stages = list(key.versions.order_by("number").values_list("stage", flat=True))
    assert stages == ["previous", "current"]


def test_of_eight_who_add_the_same_secret_one_wins(
    actor: Actor, application: Application, blind: Provider
) -> None:
    def add(number: int) -> Callable[[], object]:
        return lambda: lifecycle.add_provider_key(
            actor, application, name=f"Key {number}", provider="blind", secret="sk-blind-0000"
        )

    assert outcomes([add(number) for number in range(8)]) == (1, 7)
    assert ProviderKey.objects.count() == 1


def test_of_eight_who_take_the_same_name_one_wins(actor: Actor, application: Application) -> None:
    acts = [lambda: lifecycle.create_app_key(actor, application, name="Web") for _ in range(8)]
    assert outcomes(acts) == (1, 7)


def test_of_eight_who_revoke_one_wins(actor: Actor, application: Application) -> None:
    key = AppKeyFactory(application=application)
    acts = [lambda: lifecycle.revoke(actor, AppKey.objects.get(pk=key.pk)) for _ in range(8)]
    assert outcomes(acts) == (1, 7)
    assert AuditEvent.objects.filter(action="key.revoked").count() == 1


def test_rotating_and_revoking_together_leave_a_revoked_key(
    actor: Actor, application: Application
) -> None:
    key = AppKeyFactory(application=application)
    acts: list[Callable[[], object]] = [
        lambda: lifecycle.rotate_app_key(actor, AppKey.objects.get(pk=key.pk)),
        lambda: lifecycle.revoke(actor, AppKey.objects.get(pk=key.pk)),
    ] * 3
    won, _ = outcomes(acts)
    assert won in (1, 2)
    key.refresh_from_db()
    assert key.state == "revoked"
    assert not key.versions.exclude(sealed="").exists()
    assert not key.versions.filter(stage="previous").exists()


def test_two_owners_who_remove_each_other_leave_one(application: Application, owner: User) -> None:
    other = MembershipFactory(application=application, role=Role.OWNER)
    mine = Membership.objects.get(user=owner)

    def remove(membership: Membership) -> Callable[[], object]:
        return lambda: lifecycle.remove_member(
            Actor.system("test"), Membership.objects.get(pk=membership.pk)
        )

    assert outcomes([remove(mine), remove(other)]) == (1, 1)
    assert Membership.objects.filter(role=Role.OWNER).count() == 1


def test_workers_that_end_the_same_overlaps_count_each_once(
    actor: Actor, application: Application
) -> None:
    for key in AppKeyFactory.create_batch(5, application=application):
        lifecycle.rotate_app_key(actor, key, overlap_seconds=1)
    later = timezone.now() + timedelta(seconds=2)
    counts = in_threads([lambda: lifecycle.end_overlaps(later)] * 4)
    assert sum(counts) == 5
    assert AuditEvent.objects.filter(action="rotation.overlap_ended").count() == 5
    assert audit.verify().ok


@pytest.mark.skipif(connection.vendor == "sqlite", reason="its writers come one by one anyway")
@pytest.mark.parametrize("way", ["add", "rotate", "finish", "go back", "extend"])
def test_a_secret_reported_elsewhere_meanwhile_does_not_come_into_use(
    actor: Actor,
    application: Application,
    blind: Provider,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    secret = "sk-blind-0001"
    there = ApplicationFactory()
    theirs = lifecycle.add_provider_key(actor, there, name="T", provider="blind", secret=secret)

    def add(text: str) -> ProviderKey:
        return lifecycle.add_provider_key(
            actor, application, name="Mine", provider="blind", secret=text
        )

    def rotate(key: ProviderKey, text: str, *, untested: bool) -> object:
        return lifecycle.rotate_provider_key(actor, key, secret=text, accept_untested=untested)

    ways: dict[str, Callable[[], object]] = {"add": lambda: add(secret)}
    if way in ("rotate", "finish"):
        mine = add("sk-blind-0002")
        ways["rotate"] = lambda: rotate(mine, secret, untested=True)
        ways["finish"] = lambda: lifecycle.finish_rotation(actor, mine)
        if way == "finish":
            rotate(mine, secret, untested=False)
    elif way != "add":
        mine = add(secret)
        rotate(mine, "sk-blind-0002", untested=True)
        ways["go back"] = lambda: lifecycle.cancel_rotation(actor, mine)
        ways["extend"] = lambda: lifecycle.extend_overlap(actor, mine, overlap_seconds=60)

    # The report comes to its end between what this act looks at first and what it writes last.
    real = audit.record

    def record(*args: Any, **detail: Any) -> Any:
        monkeypatch.setattr(audit, "record", real)
        reported.append(True)
        in_threads([lambda: lifecycle.report_compromised(actor, theirs, reason="it got out")])
        return real(*args, **detail)

    reported: list[bool] = []
    monkeypatch.setattr(audit, "record", record)
    with pytest.raises(Conflict, match="reported compromised"):
        ways[way]()
    assert reported
    working = ProviderKeyVersion.objects.filter(key__application=application, stage="current")
    opened = [vault.unseal(slot_of(v.key, v), v.sealed).reveal() for v in working]
    assert secret not in opened


@pytest.mark.skipif(connection.vendor == "sqlite", reason="its writers come one by one anyway")
def test_nobody_is_given_a_secret_after_they_were_removed(
    actor: Actor, application: Application, blind: Provider
) -> None:
    """The request was let in, waited for the application, and goes on when they are out."""
    key = AppKeyFactory(application=application)
    member = MembershipFactory(application=application, role=Role.DEVELOPER)
    found = permissions.get_app_key(
        member.user, application.slug, key.pk, permissions.Act.COPY_APP_KEY
    )
    in_threads([lambda: lifecycle.remove_member(actor, member)])
    with pytest.raises(Http404):
        lifecycle.copy_app_key(Actor.person(member.user), found)
    assert not AuditEvent.objects.filter(action="app_key.copied").exists()


def test_people_who_leave_and_others_who_copy_never_wait_for_each_other_in_a_circle(
    actor: Actor, application: Application, blind: Provider
) -> None:
    """A secret of both applications: what one who leaves has seen is queued in both."""
    other = ApplicationFactory()
    for place in (application, other):
        lifecycle.add_provider_key(
            actor, place, name="Shared", provider="blind", secret="sk-blind-0001"
        )
    keys = [AppKeyFactory(application=place) for place in (application, other)]
    leavers = [MembershipFactory(application=application, role=Role.OWNER) for _ in range(6)]
    mine = ProviderKey.objects.get(application=application)
    for leaver in leavers:
        lifecycle.reveal_provider_key(Actor.person(leaver.user), mine, reason="to see it")

    def leave(membership: Membership) -> Callable[[], object]:
        return lambda: lifecycle.remove_member(actor, membership)

    def copy(key: AppKey) -> Callable[[], object]:
        return lambda: [lifecycle.copy_app_key(actor, key) for _ in range(5)]

    in_threads([*map(leave, leavers), *map(copy, keys), *map(copy, keys)])
    assert ToRotate.objects.filter(application=other).count() == len(leavers)
    assert AuditEvent.objects.filter(action="app_key.copied").count() == 20
