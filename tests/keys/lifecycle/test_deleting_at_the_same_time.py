"""An application deleted while others act on its keys: no deadlock; who comes late is told."""

from collections.abc import Callable
from threading import Barrier

import pytest
from django.utils import timezone

from keys import audit, health, lifecycle
from keys.audit import Actor
from keys.evidence import Evidence
from keys.lifecycle import Conflict
from keys.models import AppKey, Application, AuditEvent, Check, DataKey, Provider, ProviderKey
from keys.states import Verdict
from tests.factories import AppKeyFactory, ApplicationFactory, ProviderKeyFactory
from tests.keys.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)

ACTOR = Actor.system("test")
ROUNDS = 5
Attempt = Callable[[], str]


def together(acts: list[Callable[[], object]]) -> list[str]:
    """Begins all acts at once; what each was refused with ("" for those that went through)."""
    ready = Barrier(len(acts), timeout=60)

    def attempt(act: Callable[[], object]) -> Attempt:
        def run() -> str:
            ready.wait()
            try:
                act()
            except Conflict as refusal:
                return refusal.message
            return ""

        return run

    return in_threads([attempt(act) for act in acts])


def acts_on(keys: list[AppKey], provider_keys: list[ProviderKey]) -> list[Callable[[], object]]:
    """What four people and a probe do, each to several keys in an order of their own."""

    def copy_all() -> None:
        for key in keys:
            lifecycle.copy_app_key(ACTOR, key)

    def rotate_all() -> None:
        for key in reversed(keys):
            lifecycle.rotate_app_key(ACTOR, key)

    def revoke_all() -> None:
        for key in provider_keys:
            lifecycle.revoke(ACTOR, key)

    def renew_all() -> None:
        for key in reversed(provider_keys):
            secret = f"another-secret-of-{key.pk}"
            lifecycle.rotate_provider_key(ACTOR, key, secret=secret)

    def judge_all() -> None:
        for key in provider_keys * 2:
            verdict = Verdict.EXHAUSTED if key.verdict == Verdict.LIVE else Verdict.LIVE
            health.record(key.pk, Evidence(meaning=verdict, at=timezone.now(), version=1))

    return [copy_all, rotate_all, revoke_all, renew_all, judge_all]


def test_deleting_beside_acts_on_the_keys_ends_with_everything_gone(blind: Provider) -> None:
    refusals: list[str] = []
    for number in range(ROUNDS):
        shop = ApplicationFactory(slug=f"shop-{number}")
        keys = AppKeyFactory.create_batch(3, application=shop)
        provider_keys = ProviderKeyFactory.create_batch(3, application=shop, provider="blind")
        delete = [lambda shop=shop: lifecycle.delete_application(ACTOR, shop)]
        deleted, *refused = together(delete + acts_on(keys, provider_keys))
        assert deleted == ""
        refusals += filter(None, refused)
    for model in (Application, AppKey, ProviderKey, Check):
        assert not model.objects.exists()
    assert not DataKey.objects.exclude(application=None).exists()
    allowed = ("gone", "revoked", "ended by somebody else")
    assert [said for said in refusals if not any(word in said for word in allowed)] == []
    assert AuditEvent.objects.filter(action="application.deleted").count() == ROUNDS
    assert audit.verify().ok


def test_of_four_who_delete_an_application_one_wins(application: Application) -> None:
    AppKeyFactory(application=application)
    refusals = together([lambda: lifecycle.delete_application(ACTOR, application)] * 4)
    assert sorted(refusals) == ["", *["This application is gone."] * 3]
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize(
    "act",
    [
        lifecycle.disable,
        lifecycle.enable,
        lifecycle.revoke,
        lifecycle.finish_rotation,
        lifecycle.cancel_rotation,
    ],
)
def test_a_key_of_a_deleted_application_is_gone_for_every_act(
    act: Callable[[Actor, AppKey], object], application: Application
) -> None:
    key = AppKeyFactory(application=application)
    lifecycle.delete_application(ACTOR, application)
    with pytest.raises(Conflict, match="gone"):
        act(ACTOR, key)
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["application.deleted"]


def test_nothing_is_added_to_a_deleted_application(application: Application) -> None:
    provider_key = ProviderKeyFactory(application=application)
    lifecycle.delete_application(ACTOR, application)
    late: list[Callable[[], object]] = [
        lambda: lifecycle.create_app_key(ACTOR, application, name="Late"),
        lambda: lifecycle.add_member(ACTOR, application, email="a@example.com", role="viewer"),
        lambda: lifecycle.set_policy(ACTOR, application, show_app_keys_once=True),
        lambda: lifecycle.reveal_provider_key(ACTOR, provider_key, reason="late"),
        lambda: lifecycle.check_provider_key(ACTOR, provider_key),
    ]
    for act in late:
        with pytest.raises(Conflict, match="gone"):
            act()
