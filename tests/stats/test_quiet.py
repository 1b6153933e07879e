"""Keys that nobody uses, and since when the others are used."""

from datetime import UTC, datetime, timedelta

import pytest

from keys.models import AppKey, Application, ProviderKey
from keys.states import KeyState
from tests.factories import AppKeyFactory, ApplicationFactory, ProviderKeyFactory
from tests.stats.conftest import NOW, Store, call
from usage import stats

pytestmark = pytest.mark.django_db
MONTH = timedelta(days=30)


def quiet(kind: str = "app_key", applications: list[str] | None = None) -> list[str]:
    return [key.name for key in stats.quiet(kind, applications, MONTH, now=NOW)]


def old(made: AppKey | ProviderKey, **fields: object) -> None:
    type(made)._default_manager.filter(pk=made.pk).update(created_at=NOW - 2 * MONTH, **fields)


def test_keys_are_quiet_that_were_silent_so_long_the_never_used_first(
    application: Application,
) -> None:
    for name, days in {"never": None, "long ago": 40, "a year ago": 365, "lately": 29}.items():
        used = None if days is None else NOW - timedelta(days=days)
        old(AppKeyFactory(application=application, name=name), last_used_at=used)
    assert quiet() == ["never", "a year ago", "long ago"]


def test_a_key_of_yesterday_and_one_that_is_ended_are_not_quiet(application: Application) -> None:
    young = AppKeyFactory(application=application)
    AppKey.objects.filter(pk=young.pk).update(created_at=NOW - timedelta(days=1))
    for state in (KeyState.DISABLED, KeyState.REVOKED):
        old(AppKeyFactory(application=application, state=state))
    assert quiet() == []


def test_only_of_the_applications_one_sees(application: Application) -> None:
    for owner in (application, ApplicationFactory()):
        old(ProviderKeyFactory(application=owner, name=owner.name))
    assert quiet("provider_key", [application.pk]) == [application.name]
    assert len(quiet("provider_key")) == 2


def test_first_and_last_use_are_told_by_the_day(store: Store, application: Application) -> None:
    key, unused = AppKeyFactory(application=application), AppKeyFactory(application=application)
    store(*(call(timedelta(days=days), app_key=key.pk) for days in (20, 3, 9)))
    found = stats.uses("app_key", [key.pk, unused.pk])
    days = (datetime(2026, 9, 3, tzinfo=UTC), datetime(2026, 9, 20, tzinfo=UTC))
    assert found == {key.pk: days, unused.pk: (None, None)}
