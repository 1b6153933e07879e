"""Master keys: where they come from, and one clear line when they can't be used."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from keys import vault
from keys.models import Application, DataKey
from keys.vault import Sealed, Secret, VaultError


@pytest.fixture
def key_file(settings: Settings, tmp_path: Path) -> Path:
    settings.MASTER_KEYS = ""
    settings.MASTER_KEY_FILE = tmp_path / "data" / "master.key"
    return settings.MASTER_KEY_FILE


def test_the_first_run_makes_the_file_for_its_owner_alone(key_file: Path, db: None) -> None:
    assert vault.ensure_master_key() == (key_file, True)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert vault.ensure_master_key() == (key_file, False)
    assert len(list(key_file.parent.iterdir())) == 1


def test_a_database_without_its_master_key_is_said_in_one_line(
    application: Application, key_file: Path
) -> None:
    with pytest.raises(VaultError, match="missing, but this database holds sealed keys"):
        vault.ensure_master_key()
    assert not key_file.exists()
    assert vault.is_sealed()


@pytest.mark.parametrize(
    ("content", "mode", "line"),
    [
        (b"not a key", 0o600, "master key number 1 of .*master.key is broken"),
        (b"", 0o600, "the master key is empty .*master.key"),
        (b"\xff\xfe", 0o600, "is not a master key"),
        (b"A" * 43 + b"=", 0o644, "open to others .mode 644.: chmod 600"),
        (b"A" * 43 + b"=", 0o640, "open to others .mode 640.: chmod 600"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_in_one_line(
    key_file: Path, db: None, content: bytes, mode: int, line: str
) -> None:
    key_file.parent.mkdir()
    key_file.write_bytes(content)
    key_file.chmod(mode)
    with pytest.raises(VaultError, match=line) as caught:
        vault.ensure_master_key()
    assert "\n" not in str(caught.value)
    assert "not a key" not in str(caught.value)


def test_a_directory_that_cannot_be_written_is_said_in_one_line(
    settings: Settings, tmp_path: Path, db: None
) -> None:
    (tmp_path / "file").write_text("in the way")
    settings.MASTER_KEYS = ""
    settings.MASTER_KEY_FILE = tmp_path / "file" / "master.key"
    with pytest.raises(VaultError, match="cannot"):
        vault.ensure_master_key()


def test_a_wrong_master_key_is_said_in_one_line(
    application: Application, settings: Settings
) -> None:
    vault.lookup_hash("makes the system's data key")
    settings.MASTER_KEYS = Fernet.generate_key().decode()
    assert vault.is_sealed()
    with pytest.raises(VaultError, match="not the one this database was sealed with"):
        vault.ensure_master_key()


def test_what_an_older_master_key_wrapped_opens_beside_a_new_primary(
    application: Application, settings: Settings
) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    stored = vault.seal(slot, Secret("wrapped by the old one"))
    old = settings.MASTER_KEYS
    settings.MASTER_KEYS = f"{Fernet.generate_key().decode()}, {old}"
    assert vault.unseal(slot, stored).reveal() == "wrapped by the old one"
    assert not vault.is_sealed()
    before = application.data_keys.get()
    after = vault.create_data_key(application.pk)
    assert after.version == 2
    assert after.master != before.master
    assert vault.seal(slot, Secret("new")).startswith("kd1.2.")
    assert vault.unseal(slot, stored).reveal() == "wrapped by the old one"


def test_no_master_key_is_sealed_and_says_so(application: Application, key_file: Path) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    with pytest.raises(Sealed, match="no master key"):
        vault.seal(slot, Secret("x"))
    with pytest.raises(Sealed):
        vault.create_data_key(None)
    assert DataKey.objects.filter(application=None).count() == 0


def test_the_master_key_is_nowhere_in_the_database(
    application: Application, settings: Settings
) -> None:
    row = application.data_keys.get()
    for part in settings.MASTER_KEYS.split(","):
        assert part not in f"{row.wrapped} {row.master}"
