"""Data keys: made, wrapped, opened, and the keys derived from them.

Opened data keys and derived Fernet keys are kept (bounded) because unsealing is on the
gateway's hot path. Only what is committed is kept, and it goes when its row goes.
"""

import base64
import os
import threading
from functools import partial
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from keys.models import DataKey
from keys.vault import masters
from keys.vault.errors import Sealed, Undecryptable
from keys.vault.slots import Slot

_MOST_DATA_KEYS = 1024
_MOST_DERIVED = 256  # of one data key

_derive_lock = threading.Lock()


class OpenDataKey:
    """An unwrapped data key and the Fernet keys derived from it so far."""

    __slots__ = ("_derived", "_raw", "row_id", "version", "wrapped")

    def __init__(self, row: DataKey, raw: bytes) -> None:
        self.row_id: int = row.pk
        self.version: int = row.version
        self.wrapped: str = row.wrapped
        self._raw = raw
        self._derived: dict[Slot, Fernet] = {}

    def fernet(self, slot: Slot) -> Fernet:
        """The Fernet key of one slot, of no use anywhere else."""
        found = self._derived.get(slot)
        if found is not None:
            return found
        info = b"keydeck kd1\0" + slot.encode()
        derived = HKDF(SHA256(), length=32, salt=None, info=info).derive(self._raw)
        fernet = Fernet(base64.urlsafe_b64encode(derived))
        with _derive_lock:
            _make_room(self._derived, _MOST_DERIVED)
            self._derived[slot] = fernet
        return fernet

    def same_key(self, other: "OpenDataKey") -> bool:
        return self._raw == other._raw

    def encoded(self) -> bytes:
        """The key itself, to be wrapped."""
        return base64.urlsafe_b64encode(self._raw)


class _Ring:
    """The open data keys. One is kept only if none was dropped since its row was read: a row
    that is deleted meanwhile must not come back."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], OpenDataKey] = {}
        self._lock = threading.Lock()
        self.drops = 0
        self.get = self._open.get

    def keep(self, place: tuple[str, int], opened: OpenDataKey, drops: int) -> None:
        with self._lock:
            if drops == self.drops:
                _make_room(self._open, _MOST_DATA_KEYS)
                self._open[place] = opened

    def drop(self, place: tuple[str, int]) -> None:
        with self._lock:
            self.drops += 1
            self._open.pop(place, None)

    def clear(self) -> None:
        with self._lock:
            self.drops += 1
            self._open.clear()

    def items(self) -> list[tuple[tuple[str, int], OpenDataKey]]:
        with self._lock:
            return list(self._open.items())


_ring = _Ring()


def create_data_key(application_id: str | None, version: int | None = None) -> DataKey:
    """A new data key for an application (None: the system's), wrapped by the primary master key.

    Without a version it is the next one.
    """
    version = version or _newest_version(application_id) + 1
    master = masters.primary()
    row = DataKey(application_id=application_id, version=version, master=master.fingerprint)
    text = label(row) + base64.urlsafe_b64encode(os.urandom(32))
    row.wrapped = master.fernet.encrypt(text).decode()
    row.save(force_insert=True)
    return row


def newest(application_id: str) -> OpenDataKey:
    """The data key to seal with, read anew: sealing under one that is gone would lose the secret.

    Raises Undecryptable when the application has none.
    """
    drops = _ring.drops
    row = DataKey.objects.filter(application_id=application_id or None).order_by("version").last()
    if row is None:
        raise Undecryptable(f"{application_id or 'the system'} has no data key")
    kept = _ring.get((application_id, row.version))
    if kept is not None and kept.row_id == row.pk and kept.wrapped == row.wrapped:
        return kept
    return _open_and_keep(row, drops)


def data_key(application_id: str, version: int) -> OpenDataKey:
    """The data key to unseal with. Raises Undecryptable when it is gone, Sealed without master."""
    kept = _ring.get((application_id, version))
    if kept is not None:
        return kept
    drops = _ring.drops
    row = DataKey.objects.filter(application_id=application_id or None, version=version).first()
    if row is None:
        raise Undecryptable(f"data key {version} of {application_id or 'the system'} is gone")
    return _open_and_keep(row, drops)


def recheck() -> None:
    """Drop the kept data keys whose row is gone or holds another key now (one query).

    A long-running process calls this when the change counter moved; a data key that was only
    rewrapped stays open, so that master rotation interrupts no call.
    """
    kept = _ring.items()
    rows = DataKey.objects.in_bulk([opened.row_id for _, opened in kept])
    for place, opened in kept:
        row = rows.get(opened.row_id)
        if row is None or not _is_same(row, opened):
            _ring.drop(place)


def _is_same(row: DataKey, opened: OpenDataKey) -> bool:
    if row.wrapped != opened.wrapped:
        try:
            if not open_row(row).same_key(opened):
                return False
        except Sealed:
            return True  # rewrapped by a master key this process hasn't: nothing was dropped
        except Undecryptable:
            return False
        opened.wrapped = row.wrapped
    return True


def forget() -> None:
    """Drop every opened and derived key of this process."""
    _ring.clear()


def open_row(row: DataKey) -> OpenDataKey:
    """Unwrap a data key. Raises Sealed without its master key, Undecryptable when altered."""
    master = masters.holder(row.master)
    try:
        text = master.fernet.decrypt(row.wrapped)
    except InvalidToken:
        raise Undecryptable(f"{row} does not open") from None
    if not text.startswith(label(row)):
        raise Undecryptable(f"{row} was moved from another place")
    return OpenDataKey(row, base64.urlsafe_b64decode(text.removeprefix(label(row))))


def _open_and_keep(row: DataKey, drops: int) -> OpenDataKey:
    opened = open_row(row)
    # A row of a transaction that rolls back never existed, so nothing is kept before the commit.
    place = (row.application_id or "", row.version)
    transaction.on_commit(partial(_ring.keep, place, opened, drops))
    return opened


def _make_room(kept: dict[Any, Any], most: int) -> None:
    while len(kept) >= most:
        del kept[next(iter(kept))]


def label(row: DataKey) -> bytes:
    """What a wrapped data key begins with, so that it opens in its own row alone."""
    return f"{row.application_id or ''}:{row.version}:".encode()


def _newest_version(application_id: str | None) -> int:
    rows = DataKey.objects.filter(application_id=application_id).order_by("-version")
    return rows.values_list("version", flat=True).first() or 0


@receiver([post_save, post_delete], sender=DataKey)
def _row_changed(instance: DataKey, **_: object) -> None:
    place = (instance.application_id or "", instance.version)
    _ring.drop(place)
    # Again after the commit: another thread may have read the old row meanwhile.
    transaction.on_commit(partial(_ring.drop, place))
