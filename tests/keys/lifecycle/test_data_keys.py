"""An application's data key rotated: sealed anew, resumable, the old one destroyed in the end."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from keys import lifecycle, tasks, vault
from keys.audit import Actor
from keys.lifecycle import Conflict, data_keys
from keys.models import AppKey, Application, AuditEvent, DataKey, ProviderKey, ProviderKeyVersion
from keys.states import Stage
from keys.vault import Undecryptable
from tests.factories import AppKeyFactory, ProviderKeyFactory, add_version

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")


@pytest.fixture
def stored(application: Application) -> list[ProviderKey | AppKey]:
    keys: list[ProviderKey | AppKey] = [
        ProviderKeyFactory(application=application, secret=f"secret-{n}") for n in range(3)
    ]
    add_version(keys[0], "retired-secret", number=2, stage=Stage.RETIRED)  # type: ignore[arg-type]
    keys.append(AppKeyFactory(application=application))
    return keys


def texts(application: Application) -> set[str]:
    """Every secret of the application, opened."""
    found = set()
    for key in (*application.provider_keys.all(), *application.app_keys.all()):
        for version in key.versions.exclude(sealed=""):
            slot = lifecycle.versions.slot_of(key, version)
            found.add(vault.unseal(slot, version.sealed).reveal())
    return found


def rotate(application: Application) -> int:
    lifecycle.start_data_key_rotation(SYSTEM, application)
    return sum(lifecycle.reseal(SYSTEM, application))


def test_every_secret_is_sealed_anew_and_opens_as_before(
    application: Application, stored: list[object]
) -> None:
    before = texts(application)
    assert rotate(application) == 5
    assert texts(application) == before
    rows = ProviderKeyVersion.objects.values_list("sealed", flat=True)
    assert all(sealed.startswith("kd1.2.") for sealed in rows)
    told = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert told == ["data_key.made", "data_key.rotated"]


def test_the_old_data_key_is_destroyed_once_no_process_can_hold_an_old_text(
    application: Application, stored: list[object], settings: Settings
) -> None:
    version = stored[1].versions.get()  # type: ignore[attr-defined]
    slot, old = lifecycle.versions.slot_of(version.key, version), version.sealed
    rotate(application)
    now = timezone.now()
    assert lifecycle.destroy_spent_data_keys(now) == 0
    assert vault.unseal(slot, old).reveal() == "secret-1"  # a gateway may hold it still
    later = now + timedelta(seconds=settings.GATEWAY_STALE + 61)
    assert lifecycle.destroy_spent_data_keys(later) == 1
    with pytest.raises(Undecryptable):
        vault.unseal(slot, old)
    assert list(application.data_keys.values_list("version", flat=True)) == [2]
    assert AuditEvent.objects.order_by("id").last().action == "data_key.destroyed"  # type: ignore[union-attr]


def test_one_rotation_at_a_time(application: Application, stored: list[object]) -> None:
    lifecycle.start_data_key_rotation(SYSTEM, application)
    with pytest.raises(Conflict, match="being rotated already"):
        lifecycle.start_data_key_rotation(SYSTEM, application)
    for _ in lifecycle.reseal(SYSTEM, application):
        pass
    assert lifecycle.start_data_key_rotation(SYSTEM, application) == 3


def test_a_rotation_that_was_stopped_is_taken_up_by_the_worker(
    application: Application, stored: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_keys, "BATCH", 2)
    before = texts(application)
    lifecycle.start_data_key_rotation(SYSTEM, application)
    going = lifecycle.reseal(SYSTEM, application)
    assert next(going) == 2
    going.close()
    assert lifecycle.left_to_reseal(application) == 3
    assert texts(application) == before
    tasks.rotate_data_keys()
    assert lifecycle.left_to_reseal(application) == 0
    assert lifecycle.open_data_key_rotations() == []
    assert texts(application) == before


def test_a_secret_that_does_not_open_keeps_its_data_key_and_stops_nothing(
    application: Application, stored: list[object], settings: Settings
) -> None:
    broken = stored[0].versions.get(number=1)  # type: ignore[attr-defined]
    broken.sealed = broken.sealed[:-8] + "AAAAAAA="
    broken.save()
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 5 secrets do not open"):
        call_command("rotate_data_key", "shop", stdout=out)
    later = timezone.now() + timedelta(seconds=settings.GATEWAY_STALE + 61)
    assert lifecycle.destroy_spent_data_keys(later) == 0
    assert application.data_keys.count() == 2
    assert lifecycle.open_data_key_rotations() == []


def test_the_command_says_what_it_did(application: Application, stored: list[object]) -> None:
    out = StringIO()
    call_command("rotate_data_key", "shop", stdout=out)
    assert out.getvalue().startswith("5 secrets of shop sealed anew under data key 2.")
    with pytest.raises(CommandError, match="there is no application nowhere"):
        call_command("rotate_data_key", "nowhere")


def test_the_command_goes_on_with_an_open_rotation(
    application: Application, stored: list[object]
) -> None:
    lifecycle.start_data_key_rotation(SYSTEM, application)
    call_command("rotate_data_key", "shop", stdout=StringIO())
    assert DataKey.objects.filter(application=application).count() == 2


def test_a_key_rotated_meanwhile_keeps_its_new_secret(
    application: Application, stored: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_keys, "BATCH", 1)
    app_key = stored[3]
    lifecycle.start_data_key_rotation(SYSTEM, application)
    going = lifecycle.reseal(SYSTEM, application)
    next(going)
    text = lifecycle.rotate_app_key(SYSTEM, app_key).reveal()  # type: ignore[arg-type]
    for _ in going:
        pass
    assert text in texts(application)


def test_a_rotation_that_waits_for_the_master_key_says_so_once_and_goes_on(
    application: Application,
    stored: list[object],
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, given = texts(application), settings.MASTER_KEYS
    lifecycle.start_data_key_rotation(SYSTEM, application)
    settings.MASTER_KEYS, settings.MASTER_KEY_FILE = "", tmp_path / "absent"
    vault.forget()
    for _ in range(3):
        tasks.rotate_data_keys()
    (line,) = caplog.messages
    assert line.startswith("the rotation of the data key of shop waits: ")
    assert lifecycle.open_data_key_rotations() == [application]

    settings.MASTER_KEYS = given
    vault.forget()
    for _ in range(2):
        tasks.rotate_data_keys()
    assert caplog.messages[1:] == ["the rotation of the data key of shop goes on again"]
    assert lifecycle.open_data_key_rotations() == []
    assert texts(application) == before
