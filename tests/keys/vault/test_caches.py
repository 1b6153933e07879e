"""What the vault keeps open: only what is committed, only while its row is there."""

import threading
import time
from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from keys import vault
from keys.models import Application, DataKey, SystemSecret
from keys.vault import Secret, Undecryptable, keyring
from tests.factories import ApplicationFactory
from tests.keys.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_warm_unseal_asks_the_database_nothing(application: Application) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    stored = vault.seal(slot, Secret("secret"))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        vault.unseal(slot, stored)
        vault.unseal(slot, stored)
    assert len(queries) == 0


def test_a_warm_unseal_is_little_more_than_fernet_itself(application: Application) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    stored = vault.seal(slot, Secret("sk-" + "x" * 48))
    fernet = Fernet(Fernet.generate_key())
    token = fernet.encrypt(b"sk-" + b"x" * 48)
    turns = [
        (_cost(lambda: vault.unseal(slot, stored)), _cost(lambda: fernet.decrypt(token)))
        for _ in range(30)
    ]
    mine, plain = (min(costs) for costs in zip(*turns, strict=True))
    assert mine / plain < 3  # a derivation or a query would be far more


def _cost(act: Callable[[], object]) -> float:
    start = time.thread_time()
    for _ in range(100):
        act()
    return time.thread_time() - start


def test_deleting_a_data_key_shreds_what_it_sealed_at_once(application: Application) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    stored = vault.seal(slot, Secret("secret"))
    vault.unseal(slot, stored)
    application.data_keys.get().delete()
    with pytest.raises(Undecryptable):
        vault.unseal(slot, stored)
    with pytest.raises(Undecryptable):
        vault.seal(slot, Secret("secret"))


def test_a_data_key_deleted_by_another_process_is_gone_after_a_recheck(
    application: Application,
) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    stored = vault.seal(slot, Secret("secret"))
    DataKey.objects.filter(pk=application.data_keys.get().pk)._raw_delete("default")  # type: ignore[attr-defined]
    vault.recheck()
    with pytest.raises(Undecryptable):
        vault.unseal(slot, stored)


def test_a_rewrapped_data_key_stays_open(application: Application, settings: Settings) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    stored = vault.seal(slot, Secret("secret"))
    row = application.data_keys.get()
    text = keyring.masters.holder(row.master).fernet.decrypt(row.wrapped)
    settings.MASTER_KEYS = f"{Fernet.generate_key().decode()},{settings.MASTER_KEYS}"
    primary = keyring.masters.primary()
    DataKey.objects.filter(pk=row.pk).update(
        wrapped=primary.fernet.encrypt(text).decode(), master=primary.fingerprint
    )
    vault.recheck()
    with CaptureQueriesContext(connection) as queries:
        assert vault.unseal(slot, stored).reveal() == "secret"
    assert len(queries) == 0
    vault.forget()
    assert vault.unseal(slot, stored).reveal() == "secret"


def test_a_data_key_rewrapped_by_a_master_key_that_is_not_here_stays_open(
    application: Application,
) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    stored = vault.seal(slot, Secret("secret"))
    row = application.data_keys.get()
    text = keyring.masters.holder(row.master).fernet.decrypt(row.wrapped)
    elsewhere = Fernet(Fernet.generate_key()).encrypt(text).decode()
    DataKey.objects.filter(pk=row.pk).update(wrapped=elsewhere, master="elsewhere")
    vault.recheck()
    assert vault.unseal(slot, stored).reveal() == "secret"


def test_a_secret_is_sealed_under_the_data_key_that_is_stored_now(
    application: Application,
) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    vault.seal(slot, Secret("warm"))
    row = application.data_keys.get()
    text = keyring.label(row) + Fernet.generate_key()
    wrapped = keyring.masters.primary().fernet.encrypt(text).decode()
    DataKey.objects.filter(pk=row.pk).update(wrapped=wrapped)
    stored = vault.seal(slot, Secret("secret"))
    vault.forget()
    assert vault.unseal(slot, stored).reveal() == "secret"


def test_a_data_key_that_goes_while_it_is_opened_is_not_kept(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    stored = vault.seal(slot, Secret("secret"))
    vault.forget()
    really = keyring.open_row

    def slowly(row: DataKey) -> keyring.OpenDataKey:
        opened = really(row)
        DataKey.objects.get(pk=row.pk).delete()
        return opened

    with monkeypatch.context() as patched:
        patched.setattr(keyring, "open_row", slowly)
        vault.unseal(slot, stored)
    with pytest.raises(Undecryptable):
        vault.unseal(slot, stored)


def test_a_data_key_read_before_its_deletion_is_committed_goes_with_the_commit(
    application: Application,
) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    stored = vault.seal(slot, Secret("secret"))
    with transaction.atomic():
        application.data_keys.get().delete()
        in_threads([lambda: vault.unseal(slot, stored)])
    with pytest.raises(Undecryptable):
        vault.unseal(slot, stored)


def test_system_secrets_of_a_transaction_that_rolls_back_are_forgotten() -> None:
    class Undo(Exception):
        pass

    with pytest.raises(Undo), transaction.atomic():
        lost = vault.lookup_hash("text")
        raise Undo
    kept = vault.lookup_hash("text")
    assert kept != lost
    vault.forget()
    assert vault.lookup_hash("text") == kept


def test_system_secrets_are_made_once_however_many_start_together() -> None:
    def look() -> tuple[str, str]:
        vault.forget()
        return vault.lookup_hash("text"), vault.fingerprint(Secret("secret"))

    assert len(set(in_threads([look] * 8))) == 1
    assert SystemSecret.objects.count() == 2
    assert DataKey.objects.filter(application=None).count() == 1


def test_fingerprint_and_lookup_hash_are_keyed_apart() -> None:
    assert vault.fingerprint(Secret("same")) != vault.lookup_hash("same")
    assert vault.fingerprint(Secret("same")) == vault.fingerprint(Secret("same"))
    assert len(vault.lookup_hash("same")) == 64


def test_the_caches_are_bounded(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "_MOST_DERIVED", 4)
    monkeypatch.setattr(keyring, "_MOST_DATA_KEYS", 2)
    slots = [vault.provider_key_slot(application.pk, f"k{n}", 1, "acme", "") for n in range(10)]
    stored = [vault.seal(slot, Secret(slot.key_id)) for slot in slots]
    opened = keyring.data_key(application.pk, 1)
    assert len(opened._derived) == 4
    for _ in range(3):
        other = ApplicationFactory()
        vault.seal(vault.provider_key_slot(other.pk, "k", 1, "acme", ""), Secret("x"))
    assert len(keyring._ring.items()) <= 2
    assert [vault.unseal(s, t).reveal() for s, t in zip(slots, stored, strict=True)] == [
        slot.key_id for slot in slots
    ]


def test_threads_that_unseal_while_data_keys_go_see_the_secret_or_undecryptable(
    application: Application,
) -> None:
    slot = vault.provider_key_slot(application.pk, "k", 1, "acme", "")
    stored = vault.seal(slot, Secret("secret"))
    started = threading.Barrier(5)

    def read() -> set[str]:
        started.wait()
        seen = set()
        for _ in range(200):
            try:
                seen.add(vault.unseal(slot, stored).reveal())
            except Undecryptable:
                seen.add("gone")
        return seen

    def drop() -> set[str]:
        started.wait()
        for _ in range(20):
            vault.forget()
        application.data_keys.get().delete()
        return set()

    seen = set().union(*in_threads([read, read, read, read, drop]))
    assert seen <= {"secret", "gone"}
    with pytest.raises(Undecryptable):
        vault.unseal(slot, stored)
