"""Any history of acts: the invariants of keys and their versions hold after each step."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.test import TestCase
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from keys import doctor, lifecycle, vault
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid, versions
from keys.lifecycle.versions import slot_of
from keys.models import (
    AppKey,
    AppKeyVersion,
    Application,
    GotOut,
    ProviderKey,
    ProviderKeyVersion,
    User,
)
from keys.states import CHANGEABLE, OPEN, WORKING, Stage
from tests.factories import ApplicationFactory
from tests.keys.conftest import Acme

FINAL = ("revoked", "expired")
WORKS = {(stage, "active") for stage in WORKING}
ANSWERS = st.sampled_from([200, 200, 401, 402, 503])


class Histories(RuleBasedStateMachine):
    """One provider key, one app key, and the provider key's secret in another application."""

    acme: Acme
    application: Application
    elsewhere: Application
    boss: User

    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.actor = Actor.system("test")
        self.now: datetime = timezone.now()
        self.number = 0
        self.provider_key = lifecycle.add_provider_key(
            self.actor, self.application, name="P", provider="acme", secret=self._secret(200)
        )
        self.app_key, self.text = lifecycle.create_app_key(
            self.actor, self.application, name="A", expires_at=self.now + timedelta(days=300)
        )
        self.old_text = self.text
        self.twin = lifecycle.add_provider_key(
            self.actor, self.elsewhere, name="T", provider="acme", secret=self.current
        )
        self.opened: dict[str, str] = {}  # sealed text -> what it opens to
        self.worked = {self.provider_key.versions.get().pk, self.twin.versions.get().pk}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    def _secret(self, status: int) -> str:
        self.number += 1
        self.current = f"sk-acme-number-{self.number}"
        return self.acme.knows(self.current, status)

    @property
    def keys(self) -> Iterator[Any]:
        yield ProviderKey.objects.get(pk=self.provider_key.pk)
        yield AppKey.objects.get(pk=self.app_key.pk)
        yield ProviderKey.objects.get(pk=self.twin.pk)

    @rule(which=st.integers(0, 2), act=st.sampled_from([lifecycle.disable, lifecycle.enable]))
    def switch(self, which: int, act: Any) -> None:
        key = list(self.keys)[which]
        allowed = key.state == ("active" if act is lifecycle.disable else "disabled")
        if act is lifecycle.enable and versions.is_out(versions.current(key)):
            allowed = False
        self._try(act, key, allowed=allowed)

    @rule(
        status=ANSWERS,
        overlap=st.sampled_from([0, 100]),
        silent=st.sampled_from([None, 60]),
        untested=st.booleans(),
        everywhere=st.booleans(),
    )
    def rotate_provider_key(
        self, status: int, overlap: int, silent: int | None, untested: bool, everywhere: bool
    ) -> None:
        key = next(self.keys)
        twins = lifecycle.same_secret(key, [Stage.CURRENT]) if everywhere else []
        try:
            version, _ = lifecycle.rotate_everywhere(
                self.actor,
                key,
                twins,
                secret=self._secret(status),
                overlap_seconds=overlap,
                silent_seconds=silent,
                accept_untested=untested,
            )
        except Invalid:
            assert status == 401
        except Conflict:
            return
        else:
            assert (version.stage == Stage.CURRENT) == (status != 503 or untested)
        assert key.state not in FINAL

    @rule(which=st.integers(0, 2))
    def extend(self, which: int) -> None:
        key = list(self.keys)[which]
        previous = key.versions.filter(stage=Stage.PREVIOUS).first()
        is_open = previous is not None and key.state not in FINAL and not versions.is_out(previous)
        extend = partial(lifecycle.extend_overlap, overlap_seconds=200)
        self._try(extend, key, allowed=is_open)

    @precondition(lambda self: self.number > 3)
    @rule(replace=st.booleans(), everywhere=st.booleans())
    def provider_key_got_out(self, replace: bool, everywhere: bool) -> None:
        key = next(self.keys)
        twins = lifecycle.same_secret(key) if everywhere else []
        new = self._secret(200) if replace else ""
        try:
            lifecycle.report_everywhere(self.actor, key, twins, reason="test", secret=new)
        except Conflict:
            assert key.state in FINAL
        assert not set(twins) & set(lifecycle.same_secret(key)) or replace

    @precondition(lambda self: self.number > 3)
    @rule(replace=st.booleans())
    def app_key_got_out(self, replace: bool) -> None:
        key = list(self.keys)[1]
        try:
            text = lifecycle.report_compromised(self.actor, key, reason="test", replace=replace)
        except Conflict:
            assert key.state in FINAL
        else:
            assert (text is not None) == replace
            self.text = text or self.text

    @rule(which=st.integers(0, 1), act=st.sampled_from(["disable", "enable", "tag"]))
    def many_at_once(self, which: int, act: str) -> None:
        key = list(self.keys)[which]
        boss = Actor.person(self.boss)
        lifecycle.start_batch(boss, key.application, key.kind, act, [key.pk], "eu")
        lifecycle.run_batches(60)

    @rule()
    def the_doctor_finds_nothing(self) -> None:
        codes = {found.code for found in doctor.examine().findings}  # the chain is whole, too
        assert codes <= {doctor.GOT_OUT}  # where a secret that got out was not ended everywhere

    @rule(overlap=st.sampled_from([0, 100]))
    def rotate_app_key(self, overlap: int) -> None:
        key = list(self.keys)[1]
        try:
            text = lifecycle.rotate_app_key(self.actor, key, overlap_seconds=overlap)
        except Conflict:
            return
        assert key.state not in FINAL
        self.old_text, self.text = self.text, text

    @rule(which=st.integers(0, 2), finish=st.booleans())
    def end_rotation(self, which: int, finish: bool) -> None:
        key = list(self.keys)[which]
        stages = set(key.versions.values_list("stage", flat=True))
        is_open = bool(stages & {"pending", "tested", "previous"}) and key.state not in FINAL
        act = lifecycle.finish_rotation if finish else lifecycle.cancel_rotation
        done = self._try(act, key, allowed=is_open and not self._got_out(key, finish))
        if done and not finish and which == 1:
            self.text = self.old_text

    def _got_out(self, key: Any, finish: bool) -> bool:
        """Whether what would come into use was reported compromised elsewhere."""
        stages = [Stage.PENDING, Stage.TESTED]
        waiting = key.versions.filter(stage__in=stages).first()
        previous = key.versions.filter(stage=Stage.PREVIOUS).first()
        if isinstance(key, AppKey) or (waiting is None) == finish:
            return False
        coming = waiting or previous
        return coming is not None and versions.got_out(coming.fingerprint)

    @rule()
    def overlaps_end(self) -> None:
        lifecycle.end_overlaps(timezone.now() + timedelta(seconds=101))

    @precondition(lambda self: self.number > 3)
    @rule(which=st.integers(0, 1))
    def revoke(self, which: int) -> None:
        key = list(self.keys)[which]
        self._try(lifecycle.revoke, key, allowed=key.state != "revoked")

    @precondition(lambda self: self.number > 3)
    @rule()
    def expire(self) -> None:
        lifecycle.expire_app_keys(self.now + timedelta(days=301))

    def _try(self, act: Any, key: Any, *, allowed: bool) -> bool:
        try:
            act(self.actor, key)
        except Conflict:
            assert not allowed
        else:
            assert allowed
        return allowed

    @invariant()
    def the_invariants_hold(self) -> None:
        """Read once for all of them: a step costs what its queries cost."""
        versions = [
            *ProviderKeyVersion.objects.select_related("key").order_by("number"),
            *AppKeyVersion.objects.select_related("key").order_by("number"),
        ]
        keys = {version.key_id: version.key for version in versions}
        for id, key in keys.items():
            mine = [version for version in versions if version.key_id == id]
            self._one_version_of_each_stage(key, mine)
            if key.state in CHANGEABLE:
                self._the_current_one_opens(key, next(v for v in mine if v.stage == "current"))
                # What was reported here works no more.
                assert not [v for v in mine if v.compromised_at and v.stage in OPEN]
        self._what_got_out_comes_into_use_nowhere_again(versions)

    def _one_version_of_each_stage(self, key: Any, versions: list[Any]) -> None:
        stages = [version.stage for version in versions]
        assert stages.count("current") == 1
        assert stages.count("pending") + stages.count("tested") <= 1
        assert stages.count("previous") <= 1
        if key.state == "revoked":
            assert not {"pending", "tested", "previous"} & set(stages)

    def _the_current_one_opens(self, key: Any, version: Any) -> None:
        if version.sealed not in self.opened:
            slot = slot_of(key, version)
            self.opened[version.sealed] = vault.unseal(slot, version.sealed).reveal()
        text = self.opened[version.sealed]
        if isinstance(key, AppKey):
            assert text == self.text.reveal()
            assert version.lookup == vault.lookup_hash(text)
        else:
            assert version.fingerprint == vault.fingerprint(vault.Secret(text))
            assert self.acme.answers[text] != 401

    def _what_got_out_comes_into_use_nowhere_again(self, versions: list[Any]) -> None:
        """Where it was in use as another key's, and was not ended, it may serve on."""
        got_out = set(GotOut.objects.values_list("fingerprint", flat=True))
        working = {
            version.pk: version.fingerprint
            for version in versions
            if isinstance(version, ProviderKeyVersion)
            and (version.stage, version.key.state) in WORKS
        }
        assert not [pk for pk in working.keys() - self.worked if working[pk] in got_out]
        self.worked = set(working)


def run(application: Application, acme: Acme, boss: User, examples: int, steps: int) -> int:
    """Runs that many histories of at most so many acts; returns the acts done."""
    elsewhere = ApplicationFactory()
    # What is the same for all of them is opened once, as if it had been committed.
    with TestCase.captureOnCommitCallbacks(execute=True):
        vault.ensure_system_secrets()
        for made in (application, elsewhere):
            slot = vault.app_key_slot(made.pk, "any", 1)
            vault.unseal(slot, vault.seal(slot, vault.Secret("any")))

    class Here(Histories):
        done = 0

        @invariant()
        def counted(self) -> None:
            Here.done += 1

    Here.acme, Here.application, Here.boss = acme, application, boss
    Here.elsewhere = elsewhere
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return Here.done


@pytest.mark.django_db
def test_any_history_keeps_the_invariants(
    application: Application, acme: Acme, owner: User
) -> None:
    assert run(application, acme, owner, examples=6, steps=12) > 30


@pytest.mark.django_db
@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_fifty_thousand_steps_of_any_history(
    application: Application, acme: Acme, owner: User
) -> None:
    done = run(application, acme, owner, examples=1300, steps=50)
    print(f"{done} steps, 0 violations")
    assert done >= 50_000
