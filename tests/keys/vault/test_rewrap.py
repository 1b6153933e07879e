"""Master keys replaced while everything runs: add, rewrap, retire."""

from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from keys import vault
from keys.lifecycle.versions import slot_of
from keys.models import Application, AuditEvent, DataKey, ProviderKey, User
from keys.vault import Sealed, Undecryptable
from tests.factories import ProviderKeyFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def key_file(settings: Settings, tmp_path: Path) -> Path:
    path = tmp_path / "master.key"
    path.write_text(settings.MASTER_KEYS + "\n")
    path.chmod(0o600)
    settings.MASTER_KEYS = ""
    settings.MASTER_KEY_FILE = path
    return path


@pytest.fixture
def provider_key(db: None) -> ProviderKey:
    return ProviderKeyFactory(secret="sk-the-secret-of-shop")


def opened(key: ProviderKey) -> str:
    version = key.versions.get()
    return vault.unseal(slot_of(key, version), version.sealed).reveal()


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_add_rewrap_retire_leaves_the_new_master_key_alone(
    key_file: Path, provider_key: ProviderKey
) -> None:
    (old,) = vault.loaded_masters()
    sealed = provider_key.versions.get().sealed

    assert "is the primary master key now" in run("master_keys", "--add")
    new, second = vault.loaded_masters()
    assert second == old
    assert opened(provider_key) == "sk-the-secret-of-shop"
    assert "2 data keys wrapped" in run("rewrap")
    assert set(DataKey.objects.values_list("master", flat=True)) == {new}
    assert f"{old} is retired" in run("master_keys", "--retire")

    assert vault.loaded_masters() == [new]
    vault.forget()
    assert opened(provider_key) == "sk-the-secret-of-shop"
    assert provider_key.versions.get().sealed == sealed  # what is sealed stays as it is
    assert (key_file.stat().st_mode & 0o777, len(key_file.read_text().split())) == (0o600, 1)
    assert [path.name for path in key_file.parent.iterdir()] == ["master.key"]
    told = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert told == ["vault.master_key_added", "vault.rewrapped", "vault.master_key_retired"]


def test_a_running_process_sees_a_key_added_to_the_file(
    key_file: Path, provider_key: ProviderKey
) -> None:
    assert len(vault.loaded_masters()) == 1
    key_file.write_text(f"{Fernet.generate_key().decode()}\n{key_file.read_text()}")
    new, _ = vault.loaded_masters()
    assert vault.create_data_key(provider_key.application_id).master == new


def test_a_master_key_that_still_wraps_is_not_retired(
    key_file: Path, provider_key: ProviderKey
) -> None:
    before = vault.loaded_masters()
    run("master_keys", "--add")
    with pytest.raises(CommandError, match="2 data keys wait to be wrapped anew"):
        run("master_keys", "--retire")
    assert vault.loaded_masters()[1:] == before


def test_nothing_to_retire_is_said(key_file: Path, provider_key: ProviderKey) -> None:
    assert "nothing to retire" in run("master_keys", "--retire")


def test_rewrapping_again_changes_nothing(key_file: Path, provider_key: ProviderKey) -> None:
    run("master_keys", "--add")
    run("rewrap")
    wrapped = list(DataKey.objects.values_list("wrapped", flat=True))
    assert "0 data keys wrapped" in run("rewrap")
    assert list(DataKey.objects.values_list("wrapped", flat=True)) == wrapped


def test_a_rewrap_that_was_stopped_goes_on_where_it_was(
    key_file: Path, provider_key: ProviderKey
) -> None:
    ProviderKeyFactory(secret="another")
    run("master_keys", "--add")
    acts = vault.rewrap()
    assert next(acts) is None
    acts.close()
    assert vault.waiting_for_rewrap() == 2
    assert "2 data keys wrapped" in run("rewrap")


def test_a_data_key_whose_master_is_missing_is_said_and_the_others_go_on(
    settings: Settings, provider_key: ProviderKey
) -> None:
    lost = Fernet.generate_key().decode()
    kept = settings.MASTER_KEYS
    settings.MASTER_KEYS = f"{lost},{kept}"
    vault.create_data_key(provider_key.application_id)
    settings.MASTER_KEYS = f"{Fernet.generate_key().decode()},{kept}"
    with pytest.raises(CommandError, match="1 of 3 data keys could not be wrapped anew"):
        run("rewrap")
    assert vault.waiting_for_rewrap() == 1


def test_master_keys_from_the_environment_are_changed_there(
    settings: Settings, provider_key: ProviderKey
) -> None:
    for act in ("--add", "--retire"):
        with pytest.raises(CommandError, match="come from KEYDECK_MASTER_KEYS: change them there"):
            run("master_keys", act)


def test_the_list_tells_what_each_master_key_wraps(
    settings: Settings, provider_key: ProviderKey
) -> None:
    (old,) = vault.loaded_masters()
    assert f"{old}       2 data keys  primary" in run("master_keys")
    settings.MASTER_KEYS = Fernet.generate_key().decode()
    (new,) = vault.loaded_masters()
    assert run("master_keys").splitlines() == [
        f"{new}       0 data keys  primary",
        f"{old}       2 data keys  missing",
    ]


def test_without_a_master_key_nothing_is_rewrapped(
    settings: Settings, tmp_path: Path, provider_key: ProviderKey
) -> None:
    settings.MASTER_KEYS, settings.MASTER_KEY_FILE = "", tmp_path / "none"
    with pytest.raises(CommandError, match="there is no master key"):
        run("rewrap")


def test_the_settings_page_counts_data_keys_under_each_master_key(
    client_of: object, admin: User, settings: Settings, provider_key: ProviderKey
) -> None:
    (old,) = vault.loaded_masters()
    settings.MASTER_KEYS = f"{Fernet.generate_key().decode()},{settings.MASTER_KEYS}"
    new = vault.loaded_masters()[0]
    client: Client = client_of(admin)  # type: ignore[operator]
    page = client.get("/settings/").content.decode()
    assert f"<code>{new}</code> wraps 0 data keys" in page
    assert f"<code>{old}</code> wraps 2 data keys: run <code>manage.py rewrap</code>" in page


def test_a_shredded_application_does_not_come_back_with_an_old_backup(
    key_file: Path, provider_key: ProviderKey
) -> None:
    """The rows as a backup holds them, put back after the master key was replaced."""
    data_key = provider_key.application.data_keys.get()
    version = provider_key.versions.get()
    slot = slot_of(provider_key, version)
    run("master_keys", "--add")
    run("rewrap")
    run("master_keys", "--retire")
    Application.objects.filter(pk=provider_key.application_id).delete()
    with pytest.raises(Undecryptable):
        vault.unseal(slot, version.sealed)

    provider_key.application.save(force_insert=True)
    data_key.save(force_insert=True)

    with pytest.raises(Sealed):
        vault.unseal(slot, version.sealed)
