"""Rotation under crowds and kills; the suite runs a short form, `make prove` the long one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import connection

from keys import audit, lifecycle, vault
from keys.audit import Action, Actor
from keys.lifecycle.versions import slot_of
from keys.models import AppKey, Application, AuditEvent, Key, ProviderKey
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


KEYS = [1, pytest.param(5, marks=pytest.mark.prove)]  # rotated one after another


@pytest.mark.parametrize("keys", KEYS)
def test_a_rotation_of_an_app_key_killed_at_every_statement_leaves_a_working_version(
    actor: Actor, application: Application, keys: int
) -> None:
    kills = 0
    for _ in range(keys):
        key = AppKeyFactory(application=application)
        kills += run_and_kill(partial(_rotate_app_key, actor, key.pk))
        assert sorted(key.versions.values_list("stage", flat=True)) == ["current", "previous"]
    print(
        f"\n{keys} app-key rotations, killed at each of {kills} points, never without a "
        "working version"
    )
    assert kills > 8 * keys


@pytest.mark.parametrize("keys", KEYS)
def test_a_rotation_of_a_provider_key_killed_at_every_statement_leaves_a_working_version(
    actor: Actor, application: Application, acme: Acme, keys: int
) -> None:
    kills = 0
    for number in range(keys):
        first, second = acme.knows(f"first-secret-{number}"), acme.knows(f"second-secret-{number}")
        key = lifecycle.add_provider_key(
            actor, application, name=f"A{number}", provider="acme", secret=first
        )
        kills += run_and_kill(partial(_rotate_provider_key, actor, key.pk, second))
        current = key.versions.get(stage=Stage.CURRENT)
        assert vault.unseal(slot_of(key, current), current.sealed).reveal() == second
    print(
        f"\n{keys} provider-key rotations, killed at each of {kills} points, never without a "
        "working version"
    )
    assert kills > 20 * keys


def _rotate_app_key(actor: Actor, pk: str) -> None:
    lifecycle.rotate_app_key(actor, AppKey.objects.get(pk=pk))


def _rotate_provider_key(actor: Actor, pk: str, secret: str) -> None:
    found = ProviderKey.objects.get(pk=pk)
    if found.versions.filter(stage=Stage.PENDING).exists():
        lifecycle.cancel_rotation(actor, found)  # what a person does after a crash
    lifecycle.rotate_provider_key(actor, found, secret=secret)


AT_ONCE = [20, pytest.param(50, marks=pytest.mark.prove)]


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_of_many_rotations_of_an_app_key_at_once_one_wins(
    actor: Actor, application: Application, at_once: int
) -> None:
    key = AppKeyFactory(application=application)
    acts = [partial(_rotate_app_key, actor, key.pk)] * at_once
    one_wins("app key", key, acts)


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_of_many_rotations_of_a_provider_key_at_once_one_wins(
    actor: Actor, application: Application, acme: Acme, at_once: int
) -> None:
    key = lifecycle.add_provider_key(
        actor, application, name="A", provider="acme", secret=acme.knows("the-first-secret")
    )

    def rotate(secret: str) -> None:
        lifecycle.rotate_provider_key(actor, ProviderKey.objects.get(pk=key.pk), secret=secret)

    secrets = [acme.knows(f"secret-number-{number}") for number in range(at_once)]
    one_wins("provider key", key, [partial(rotate, secret) for secret in secrets])


def one_wins(kind: str, key: Key, acts: list[Callable[[], None]]) -> None:
    won, refused = outcomes(acts)
    print(f"\n{len(acts)} rotations of one {kind} at once: {won} won, {refused} conflicts")
    assert (won, refused) == (1, len(acts) - 1)
    assert sorted(key.versions.values_list("stage", flat=True)) == ["current", "previous"]
    assert audit.verify().ok


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
