"""Rotation under crowds and kills; the suite runs a short form, `make prove` the long one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from keys import audit, lifecycle, vault
from keys.audit import Action, Actor
from keys.lifecycle.versions import slot_of
from keys.models import AppKey, Application, AuditEvent, ProviderKey
from keys.states import Stage
from tests.factories import AppKeyFactory
from tests.keys.conftest import Acme
from tests.keys.lifecycle.test_at_the_same_time import outcomes

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_after(statements: int) -> Iterator[None]:
    """Ends the act before its statement number `statements` (from 0), as kill -9 would."""
    left = statements

    def count(execute: Callable[..., Any], *args: Any) -> Any:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        return execute(*args)

    with connection.execute_wrapper(count):
        yield


def run_and_kill(act: Callable[[], object]) -> int:
    """Runs the act, killed before each of its statements in turn, until it comes to its end.

    What was not committed is lost with the connection. Returns how often it was killed.
    """
    kills = 0
    while True:
        try:
            with killed_after(kills):
                act()
        except Killed:
            connection.close()
            vault.forget()
            a_version_works()
            kills += 1
        else:
            return kills


def a_version_works() -> None:
    """What must hold whenever a process has died."""
    for key in (*ProviderKey.objects.all(), *AppKey.objects.all()):
        usable = key.versions.filter(stage__in=[Stage.CURRENT, Stage.PREVIOUS])
        assert usable.filter(stage=Stage.CURRENT).count() == 1
        for version in usable:
            vault.unseal(slot_of(key, version), version.sealed)
    assert audit.verify().ok


def test_a_rotation_of_an_app_key_killed_at_every_statement_leaves_a_working_version(
    actor: Actor, application: Application
) -> None:
    key = AppKeyFactory(application=application)
    kills = run_and_kill(lambda: lifecycle.rotate_app_key(actor, AppKey.objects.get(pk=key.pk)))
    print(f"app key: killed at {kills} points, never without a working version")
    assert kills > 8
    assert sorted(key.versions.values_list("stage", flat=True)) == ["current", "previous"]


def test_a_rotation_of_a_provider_key_killed_at_every_statement_leaves_a_working_version(
    actor: Actor, application: Application, acme: Acme
) -> None:
    first, second = acme.knows("first-secret-of-acme"), acme.knows("second-secret-of-acme")
    key = lifecycle.add_provider_key(actor, application, name="A", provider="acme", secret=first)

    def rotate() -> None:
        found = ProviderKey.objects.get(pk=key.pk)
        if found.versions.filter(stage=Stage.PENDING).exists():
            lifecycle.cancel_rotation(actor, found)  # what a person does after a crash
        lifecycle.rotate_provider_key(actor, found, secret=second)

    kills = run_and_kill(rotate)
    print(f"provider key: killed at {kills} points, never without a working version")
    assert kills > 20
    current = key.versions.get(stage=Stage.CURRENT)
    secret = vault.unseal(slot_of(key, current), current.sealed)
    assert secret.reveal() == second


def one_wins(actor: Actor, application: Application, at_once: int) -> None:
    key = AppKeyFactory(application=application)
    acts = [
        lambda: lifecycle.rotate_app_key(actor, AppKey.objects.get(pk=key.pk))
        for _ in range(at_once)
    ]
    won, refused = outcomes(acts)
    print(f"{at_once} rotations at once: {won} won, {refused} refused with a conflict")
    assert (won, refused) == (1, at_once - 1)
    assert key.versions.count() == 2
    assert AuditEvent.objects.filter(action="rotation.started").count() == 1


def test_of_fifty_rotations_at_once_one_wins(actor: Actor, application: Application) -> None:
    one_wins(actor, application, 50)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_an_act_on_ten_thousand_keys_is_done_on_each_once(
    actor: Actor, application: Application
) -> None:
    ids = [AppKeyFactory(application=application).pk for _ in range(10_000)]
    began = time.monotonic()
    batch = lifecycle.start_batch(actor, application, "app_key", "revoke", ids)
    started, rounds = time.monotonic() - began, 0
    while lifecycle.run_batches(5):
        rounds += 1
    took = time.monotonic() - began
    batch.refresh_from_db()
    events = AuditEvent.objects.filter(action=Action.KEY_REVOKED).count()
    told = f"{batch.done} done, {batch.refused} refused, {events} audited"
    print(
        f"\n10,000 app keys revoked in {took:.0f} s, {rounds} rounds, begun in {started:.1f} s"
        f": {told}"
    )
    assert (batch.done, batch.refused, events) == (10_000, 0, 10_000)
