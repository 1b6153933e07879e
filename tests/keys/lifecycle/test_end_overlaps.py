"""An overlap ends by the clock, or by silence: sooner when nobody asks, later while one does."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from keys import attention, lifecycle
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import AppKey, Application, AuditEvent
from keys.states import Stage
from tests.factories import AppKeyFactory
from tests.keys.conftest import Acme

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def key(application: Application) -> AppKey:
    found: AppKey = AppKeyFactory(application=application, name="Web")
    return found


def rotate(actor: Actor, key: AppKey, *, overlap: timedelta, silent: timedelta | None) -> datetime:
    """Rotates and says when."""
    seconds = int(silent.total_seconds()) if silent else None
    lifecycle.rotate_app_key(
        actor, key, overlap_seconds=int(overlap.total_seconds()), silent_seconds=seconds
    )
    return timezone.now()


def use_old(key: AppKey, at: datetime) -> None:
    key.versions.filter(number=1).update(last_used_at=at)


def old_stage(key: AppKey) -> str:
    return str(key.versions.get(number=1).stage)


def test_without_a_silence_it_ends_at_its_time_used_or_not(actor: Actor, key: AppKey) -> None:
    began = rotate(actor, key, overlap=HOUR, silent=None)
    use_old(key, began + 0.99 * HOUR)
    assert lifecycle.end_overlaps(began + 0.98 * HOUR) == 0
    assert lifecycle.end_overlaps(began + HOUR) == 1
    assert old_stage(key) == Stage.RETIRED


def test_a_silent_secret_goes_before_its_time(actor: Actor, key: AppKey) -> None:
    began = rotate(actor, key, overlap=24 * HOUR, silent=HOUR)
    use_old(key, began + 2 * HOUR)
    assert lifecycle.end_overlaps(began + 2.9 * HOUR) == 0
    assert lifecycle.end_overlaps(began + 3 * HOUR) == 1
    event = AuditEvent.objects.order_by("id").last()
    assert event is not None
    assert (event.action, event.detail["silent_seconds"]) == ("rotation.overlap_ended", 3600)


def test_one_never_used_since_the_rotation_is_given_its_silence_all_the_same(
    actor: Actor, key: AppKey
) -> None:
    use_old(key, timezone.now() - 30 * HOUR)
    began = rotate(actor, key, overlap=24 * HOUR, silent=HOUR)
    assert lifecycle.end_overlaps(began + 0.9 * HOUR) == 0
    assert lifecycle.end_overlaps(began + 1.1 * HOUR) == 1


def test_one_still_used_has_its_end_put_off_before_anybody_is_refused(
    actor: Actor, key: AppKey, application: Application
) -> None:
    began = rotate(actor, key, overlap=HOUR, silent=HOUR / 2)
    use_old(key, began + 0.9 * HOUR)
    ahead = began + HOUR - timedelta(seconds=30)
    assert lifecycle.end_overlaps(ahead) == 0
    version = key.versions.get(number=1)
    assert version.stage == Stage.PREVIOUS
    assert version.retires_at == ahead + HOUR / 2
    (alert,) = attention.alerts([application])
    assert alert.title == "Shop · Web: the old secret is still used"
    assert lifecycle.end_overlaps(began + 1.4 * HOUR) == 1
    assert attention.alerts([application]) == []
    actions = AuditEvent.objects.order_by("id").values_list("action", flat=True)
    assert list(actions)[-2:] == ["rotation.overlap_extended", "rotation.overlap_ended"]


def test_a_provider_keys_old_secret_takes_the_silence_asked_at_rotation(
    actor: Actor, application: Application, acme: Acme
) -> None:
    first, second = acme.knows("first-secret-of-acme"), acme.knows("second-secret-of-acme")
    key = lifecycle.add_provider_key(actor, application, name="A", provider="acme", secret=first)
    lifecycle.rotate_provider_key(
        actor, key, secret=second, overlap_seconds=7200, silent_seconds=600
    )
    assert key.versions.get(number=1).silent_seconds == 600
    assert lifecycle.end_overlaps(timezone.now() + timedelta(seconds=601)) == 1


@pytest.mark.parametrize("seconds", [0, 59, -1, 366 * 86400, True])
def test_a_silence_is_a_minute_to_a_year(actor: Actor, key: AppKey, seconds: int) -> None:
    with pytest.raises(Invalid) as caught:
        lifecycle.rotate_app_key(actor, key, overlap_seconds=3600, silent_seconds=seconds)
    assert caught.value.field == "silent_seconds"


def test_a_person_lets_the_old_secret_serve_on(actor: Actor, key: AppKey) -> None:
    began = rotate(actor, key, overlap=HOUR, silent=None)
    lifecycle.extend_overlap(actor, key, overlap_seconds=7200)
    assert lifecycle.end_overlaps(began + 1.9 * HOUR) == 0
    assert lifecycle.end_overlaps(began + 2.1 * HOUR) == 1


def test_only_an_open_overlap_can_be_extended(actor: Actor, key: AppKey) -> None:
    with pytest.raises(Conflict, match="No overlap of this key is open"):
        lifecycle.extend_overlap(actor, key, overlap_seconds=3600)
    rotate(actor, key, overlap=HOUR, silent=None)
    with pytest.raises(Invalid, match="finish the rotation"):
        lifecycle.extend_overlap(actor, key, overlap_seconds=0)
