"""What ought to be tidied up: found, mended in a click, or put off."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from pytest_django import Settings

from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import AppKey, Application, AuditEvent, ProviderKey, ToRotate, User
from tests.factories import AppKeyFactory, ApplicationFactory, ProviderKeyFactory
from usage import hygiene, stats
from usage.hygiene.sweeping import suggested
from usage.models import HygieneFinding

DAY = timedelta(days=1)
LONG_AGO = timezone.now() - 100 * DAY


@pytest.fixture
def tidy(owner: User, app_key: AppKey) -> AppKey:
    """An app key with which all is well."""
    AppKey.objects.update(
        owner=owner, per_day=1000, expires_at=timezone.now() + 90 * DAY, last_used_at=timezone.now()
    )
    return app_key


def found() -> set[tuple[str, str]]:
    hygiene.sweep()
    return set(HygieneFinding.objects.values_list("target", "code"))


def test_where_all_is_well_nothing_is_found(tidy: AppKey) -> None:
    assert found() == set()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"last_used_at": None, "created_at": timezone.now() - 8 * DAY}, "never_used"),
        ({"last_used_at": timezone.now() - 31 * DAY, "created_at": LONG_AGO}, "unused"),
        ({"expires_at": None}, "no_expiry"),
        ({"owner": None}, "no_owner"),
        ({"per_day": None}, "no_limit"),
    ],
)
def test_each_kind_is_found_by_itself(tidy: AppKey, fields: dict[str, Any], code: str) -> None:
    AppKey.objects.update(**fields)
    assert found() == {(tidy.target, code)}


def test_a_new_key_has_a_week_to_be_put_to_use(tidy: AppKey) -> None:
    AppKey.objects.update(last_used_at=None)
    assert found() == set()


def test_unused_is_what_it_is_to_alerts_and_pages(tidy: AppKey) -> None:
    """A key that was made since has its time, whatever its last use says."""
    for made in (10 * DAY, 31 * DAY):
        at = timezone.now()
        AppKey.objects.update(created_at=at - made, last_used_at=at - 40 * DAY)
        quiet = stats.quiet("app_key", None, timedelta(days=30))
        assert ((tidy.target, "unused") in found()) == (tidy in quiet) == (made > 30 * DAY)


def test_a_limit_far_above_real_use_is_found(tidy: AppKey, store: Any) -> None:
    ProviderKey.objects.all().delete()
    AppKey.objects.update(per_day=501, created_at=timezone.now() - 31 * DAY)
    store(5, ago=2 * DAY)
    assert found() == {(tidy.target, "loose_limit")}
    detail = HygieneFinding.objects.get().detail
    assert detail == {"allowed": 501, "busiest_day": 5, "suggested": 100}
    AppKey.objects.update(per_day=500)
    assert found() == set()


@pytest.mark.parametrize(
    ("busiest", "limit"), [(0, 100), (9, 100), (11, 200), (123, 2000), (4000, 40000)]
)
def test_the_suggested_limit_leaves_room_in_round_figures(busiest: int, limit: int) -> None:
    assert suggested(busiest) == limit


def test_a_secret_older_than_the_policy_is_found(tidy: AppKey, settings: Settings) -> None:
    tidy.versions.update(created_at=timezone.now() - 181 * DAY)
    assert found() == {(tidy.target, "old_secret")}
    settings.SECRET_MAX_AGE_DAYS = 0
    assert found() == set()


def test_the_same_secret_in_two_applications_is_found_in_both(owner: User) -> None:
    keys = [
        ProviderKeyFactory(application=ApplicationFactory(), secret="one and the same", owner=owner)
        for _ in range(2)
    ]
    ProviderKeyFactory(application=keys[0].application, secret="another", owner=owner)
    assert found() == {(key.target, "shared_secret") for key in keys}


def test_what_a_leaver_has_seen_is_found(tidy: AppKey, application: Application) -> None:
    ToRotate.objects.create(application=application, target=tidy.target, numbers=[1], who="a@b.c")
    ToRotate.objects.create(application=application, target=tidy.target, numbers=[1], who="b@b.c")
    assert found() == {(tidy.target, "seen_by_leaver")}
    assert HygieneFinding.objects.get().detail == {"people": 2}


def test_keys_that_are_over_are_no_work(app_key: AppKey, provider_key: ProviderKey) -> None:
    AppKey.objects.update(state="revoked")
    ProviderKey.objects.update(state="disabled")
    assert found() == set()


@pytest.mark.parametrize(
    ("fields", "code", "change"),
    [
        (
            {"last_used_at": timezone.now() - 31 * DAY, "created_at": LONG_AGO},
            "unused",
            {"state": "disabled"},
        ),
        ({"per_day": None}, "no_limit", {"per_day": 100}),
        ({"owner": None}, "no_owner", {"owner__email": "owner@example.com"}),
        ({"expires_at": None}, "no_expiry", {"expires_at__isnull": False}),
    ],
)
def test_a_click_mends_it_and_it_is_gone(
    tidy: AppKey, actor: Actor, fields: dict[str, Any], code: str, change: dict[str, Any]
) -> None:
    AppKey.objects.update(**fields)
    assert found() == {(tidy.target, code)}
    hygiene.fix(actor, HygieneFinding.objects.get())
    assert AppKey.objects.filter(**change).exists()
    assert not HygieneFinding.objects.exists()
    assert AuditEvent.objects.filter(target=tidy.target).exists()


def test_a_key_that_is_in_use_since_is_not_disabled_by_a_click(tidy: AppKey, actor: Actor) -> None:
    AppKey.objects.update(last_used_at=timezone.now() - 31 * DAY, created_at=LONG_AGO)
    found()
    AppKey.objects.update(last_used_at=timezone.now())
    with pytest.raises(Conflict, match="no longer so"):
        hygiene.fix(actor, HygieneFinding.objects.get())
    assert AppKey.objects.get().state == "active"
    assert not HygieneFinding.objects.exists()


def test_what_needs_a_new_secret_is_not_done_by_a_click(tidy: AppKey, actor: Actor) -> None:
    tidy.versions.update(created_at=timezone.now() - 181 * DAY)
    found()
    with pytest.raises(Conflict, match="new secret"):
        hygiene.fix(actor, HygieneFinding.objects.get())


def test_the_right_is_that_of_the_act(tidy: AppKey, developer: User) -> None:
    AppKey.objects.update(per_day=None)
    found()
    with pytest.raises(PermissionDenied):
        hygiene.fix(Actor.person(developer), HygieneFinding.objects.get())
    AppKey.objects.update(per_day=5, owner=None)
    found()
    hygiene.fix(Actor.person(developer), HygieneFinding.objects.get())
    assert AppKey.objects.get().owner == developer


def test_what_was_put_off_waits_and_comes_back(tidy: AppKey, actor: Actor, owner: User) -> None:
    AppKey.objects.update(expires_at=None)
    found()
    finding = HygieneFinding.objects.get()
    hygiene.snooze(actor, finding, 30)
    found()
    assert hygiene.count(owner) == 0
    assert hygiene.count(owner, timezone.now() + 31 * DAY) == 1
    event = AuditEvent.objects.get(action="hygiene.snoozed")
    assert (event.target, event.detail["finding"]) == (tidy.target, "no_expiry")
    with pytest.raises(Invalid):
        hygiene.snooze(actor, finding, 365)


def test_everybody_counts_their_own(tidy: AppKey, owner: User, outsider: User, admin: User) -> None:
    AppKey.objects.update(owner=None)
    AppKeyFactory(application=ApplicationFactory())
    found()
    assert hygiene.count(owner) == 1
    assert hygiene.count(outsider) == 0
    assert hygiene.count(admin) == HygieneFinding.objects.count()


def test_the_cost_does_not_grow_with_the_keys(
    application: Application, django_assert_num_queries: Callable[..., Any]
) -> None:
    AppKeyFactory(application=application)
    hygiene.sweep()
    with django_assert_num_queries(60, exact=False) as few:
        hygiene.sweep()
    rows = [AppKey(application=application, name=f"k{n}") for n in range(2000)]
    AppKey.objects.bulk_create(rows)
    hygiene.sweep()
    with django_assert_num_queries(len(few)):
        hygiene.sweep()
    assert HygieneFinding.objects.count() == 2001 * 3


@pytest.mark.bench
def test_ten_thousand_keys(application: Application, owner: User) -> None:
    """CPU seconds of a sweep and of the menu's count."""
    AppKey.objects.bulk_create(
        AppKey(application=application, name=f"k{n}", created_at=timezone.now())
        for n in range(10_000)
    )
    hygiene.sweep()
    began = time.process_time()
    hygiene.sweep()
    swept = time.process_time()
    hygiene.count(owner)
    print(f"\n10,000 keys: a sweep {swept - began:.2f} s, the count "
          f"{(time.process_time() - swept) * 1000:.1f} ms of CPU")  # fmt: skip
    assert HygieneFinding.objects.count() == 30_000
