"""Checks that somebody asks for of many keys at once: what they cover, and how far they are."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from keys import lifecycle, sweeping, vault
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.lifecycle.check_runs import MOST_OPEN
from keys.models import Application, AuditEvent, CheckRun, Provider, ProviderKey, User
from keys.states import KeyState
from tests.factories import ProviderKeyFactory
from tests.health.conftest import LIVE, Clock
from tests.upstream import Answer, Received, Upstream

pytestmark = pytest.mark.django_db
ALL = ProviderKey.objects.all


@pytest.fixture
def make(application: Application) -> Callable[..., ProviderKey]:
    """A key that is not due for long."""

    def later(**fields: object) -> ProviderKey:
        due = timezone.now() + timedelta(hours=1)
        made: ProviderKey = ProviderKeyFactory(
            application=application, **{"next_check_at": due, **fields}
        )
        return made

    return later


def test_all_are_checked_by_the_next_sweep(
    make: Callable[..., ProviderKey], actor: Actor, allow_upstream: Upstream
) -> None:
    allow_upstream.answer(200, LIVE)
    for _ in range(3):
        make()
    run = lifecycle.start_checks(actor, ALL(), "Shop")
    progress = lifecycle.run_progress(run)
    assert (progress.total, progress.done, progress.ended) == (3, 0, False)
    assert sweeping.check_due() == 3
    progress = lifecycle.run_progress(run)
    assert (progress.done, progress.ended, progress.verdicts) == (3, True, {"live": 3})


def test_a_key_without_a_clear_answer_counts_as_looked_at(
    make: Callable[..., ProviderKey], actor: Actor, allow_upstream: Upstream
) -> None:
    keys = [make(verdict="live") for _ in range(2)]
    silent = keys[0].versions.get().last4

    def answer(received: Received) -> Answer:
        if received.json()["key"].endswith(silent):
            return Answer(hang_up=True)
        return Answer(200, b'{"status": "success"}', {"Content-Type": "application/json"})

    allow_upstream.handler = answer
    run = lifecycle.start_checks(actor, ALL(), "Shop")
    sweeping.check_due()
    progress = lifecycle.run_progress(run)
    assert (progress.ended, progress.unclear, progress.verdicts) == (True, 1, {"live": 2})


def test_what_cannot_be_asked_about_is_left_out_or_falls_out(
    make: Callable[..., ProviderKey], actor: Actor, allow_upstream: Upstream
) -> None:
    allow_upstream.answer(200, LIVE)
    Provider.objects.create(
        slug="dear", name="Dear", base_url=allow_upstream.url, credential_in="bearer"
    )
    make(provider="dear")
    make(state=KeyState.REVOKED)
    gone, broken, moved = make(), make(), make()
    broken.versions.update(sealed="altered")
    moved.versions.update(entered_for="https://elsewhere.example")
    run = lifecycle.start_checks(actor, ALL(), "Shop")
    assert (run.total, run.left_out) == (3, 1)
    gone.delete()
    assert not lifecycle.run_progress(run).ended
    sweeping.check_due()
    assert lifecycle.run_progress(run).ended


def test_it_goes_on_when_the_vault_opens(
    make: Callable[..., ProviderKey], actor: Actor, allow_upstream: Upstream, settings: Settings
) -> None:
    allow_upstream.answer(200, LIVE)
    make()
    run = lifecycle.start_checks(actor, ALL(), "Shop")
    keys, settings.MASTER_KEYS = settings.MASTER_KEYS, ""
    vault.forget()
    sweeping.check_due()
    assert lifecycle.run_progress(run).done == 0
    settings.MASTER_KEYS = keys
    vault.forget()
    sweeping.check_due()
    assert lifecycle.run_progress(run).ended


def test_nothing_to_check_is_refused(make: Callable[..., ProviderKey], actor: Actor) -> None:
    make(provider="unprobed")
    with pytest.raises(Invalid, match="None of these keys can be checked for free"):
        lifecycle.start_checks(actor, ALL(), "Shop")


def test_more_than_ten_thousand_are_refused(
    make: Callable[..., ProviderKey], actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.lifecycle.check_runs.MOST_CHECKED", 1)
    make()
    make()
    with pytest.raises(Invalid, match="choose fewer"):
        lifecycle.start_checks(actor, ALL(), "Shop")
    assert not CheckRun.objects.exists()


def test_who_asks_again_for_what_goes_on_gets_the_same_run(
    make: Callable[..., ProviderKey], actor: Actor, allow_upstream: Upstream
) -> None:
    allow_upstream.answer(200, LIVE)
    make()
    first = lifecycle.start_checks(actor, ALL(), "Shop")
    assert lifecycle.start_checks(actor, ALL(), "Shop") == first
    assert CheckRun.objects.count() == AuditEvent.objects.count() == 1
    make()  # now it is about other keys
    assert lifecycle.start_checks(actor, ALL(), "Shop") != first
    sweeping.check_due()
    assert lifecycle.start_checks(actor, ALL(), "Shop") != first  # it has ended


def test_one_person_has_so_many_going_on_and_no_more(
    make: Callable[..., ProviderKey], actor: Actor, viewer: User, clock: Clock
) -> None:
    keys = [make() for _ in range(MOST_OPEN + 1)]
    for key in keys[:-1]:
        lifecycle.start_checks(actor, ALL().filter(pk=key.pk), "1 chosen")
    last = ALL().filter(pk=keys[-1].pk)
    with pytest.raises(Conflict, match="wait until one has ended"):
        lifecycle.start_checks(actor, last, "1 chosen")
    assert lifecycle.start_checks(Actor.person(viewer), last, "1 chosen")
    clock.jump(hours=1, seconds=1)  # nobody is kept out for ever by what can't be looked at
    assert lifecycle.start_checks(actor, last, "1 chosen")


def test_who_asked_is_audited_and_old_runs_go(
    make: Callable[..., ProviderKey], actor: Actor, clock: Clock
) -> None:
    make()
    lifecycle.start_checks(actor, ALL(), "Shop")
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.detail["keys"]) == ("provider_key.checks_started", 1)
    clock.jump(days=31)
    run = lifecycle.start_checks(actor, ALL(), "Shop")
    assert list(CheckRun.objects.all()) == [run]
