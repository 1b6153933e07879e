"""`backup` and `restore`: a consistent copy without the master key, and back."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from keys import audit, changes, vault
from keys.lifecycle.versions import slot_of
from keys.models import Application, ProviderKeyVersion
from tests.factories import ApplicationFactory, ProviderKeyFactory
from tests.live import ADMIN, ROOT, Keydeck

SECRET = "modelslab-secret-9f27c1"


@pytest.fixture
def copy(tmp_path: Path, transactional_db: None) -> Path:
    """A copy of a database that holds one application with one secret."""
    application = ApplicationFactory(slug="shop")
    ProviderKeyFactory(application=application, secret=SECRET)
    with transaction.atomic():
        audit.record(audit.Actor.system("test"), audit.Action.APPLICATION_CREATED, "shop")
    path = tmp_path / "copy"
    call_command("backup", str(path))
    return path


def test_a_copy_is_private_and_holds_neither_secret_nor_master_key(copy: Path) -> None:
    assert copy.stat().st_mode & 0o777 == 0o600
    content = copy.read_bytes()
    assert SECRET.encode() not in content
    assert django_settings.MASTER_KEYS.encode() not in content


def test_it_says_what_is_not_in_it(
    tmp_path: Path, transactional_db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("backup", str(tmp_path / "copy"))
    assert "the master key" in capsys.readouterr().out


def test_an_existing_file_is_not_overwritten(copy: Path) -> None:
    before = copy.read_bytes()
    with pytest.raises(CommandError, match="File exists"):
        call_command("backup", str(copy))
    assert copy.read_bytes() == before


def test_a_restored_copy_opens_with_the_master_key(copy: Path) -> None:
    Application.objects.all().delete()
    call_command("restore", str(copy))
    version = ProviderKeyVersion.objects.select_related("key").get()
    assert vault.unseal(slot_of(version.key, version), version.sealed).reveal() == SECRET


def test_a_copy_sealed_with_another_secret_key_is_told(
    copy: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("restore", str(copy), "--yes")
    assert "SECRET_KEY" not in capsys.readouterr().err
    settings.SECRET_KEY = "made anew in a fresh data directory"
    call_command("restore", str(copy), "--yes")
    assert "SECRET_KEY" in capsys.readouterr().err


def test_what_is_restored_into_a_fresh_data_directory_is_nobody_elses(
    copy: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir(mode=0o755)
    environment = {**os.environ, "KEYDECK_DATA_DIR": str(folder), "DATABASE_URL": ""}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    words = ["sh", "-c", 'umask 022; exec "$@"', "sh", sys.executable, "manage.py"]
    subprocess.run([*words, "restore", str(copy)], env=environment, cwd=ROOT, check=True)
    assert (folder / "keydeck.sqlite3").stat().st_mode & 0o777 == 0o600


def test_a_database_in_use_is_replaced_only_on_purpose(copy: Path) -> None:
    ApplicationFactory(slug="newer")
    with pytest.raises(CommandError, match="--yes"):
        call_command("restore", str(copy))
    assert Application.objects.filter(slug="newer").exists()
    call_command("restore", str(copy), "--yes")
    assert list(Application.objects.values_list("slug", flat=True)) == ["shop"]


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_a_running_process_sees_that_the_database_was_replaced(copy: Path, changed: int) -> None:
    for _ in range(changed):
        changes.bump()
    seen = changes.current()
    call_command("restore", str(copy), "--yes")
    assert changes.current() > seen


def test_what_is_no_copy_is_refused(tmp_path: Path, transactional_db: None) -> None:
    (tmp_path / "text").write_text("SQLite or not")
    with pytest.raises(CommandError, match="is not a copy"):
        call_command("restore", str(tmp_path / "text"))
    with pytest.raises(CommandError, match="cannot read"):
        call_command("restore", str(tmp_path / "absent"))


def test_a_copy_of_a_newer_keydeck_is_refused(tmp_path: Path, transactional_db: None) -> None:
    MigrationRecorder(connection).record_applied("keys", "9999_x")
    try:
        call_command("backup", str(tmp_path / "newer"))
    finally:
        MigrationRecorder(connection).record_unapplied("keys", "9999_x")
    with pytest.raises(CommandError, match=r"newer Keydeck: it knows keys\.9999_x"):
        call_command("restore", str(tmp_path / "newer"), "--yes")


@pytest.mark.live
@pytest.mark.xdist_group("live")
def test_a_running_product_can_be_copied(keydeck: Keydeck, tmp_path: Path) -> None:
    path = tmp_path / "running"
    made = keydeck.manage("backup", str(path))
    assert made.returncode == 0, made.stderr
    with closing(sqlite3.connect(path)) as reader:
        found = reader.execute("SELECT 1 FROM keys_user WHERE email = ?", [ADMIN]).fetchall()
    assert found == [(1,)]
