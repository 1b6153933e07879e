"""Old keys exchanged for new ones while everything runs: master keys and data keys.

Rewrapping changes how a data key is kept, not the data key: what was sealed stays as it is.
Every row is changed by compare-and-swap, so that both can be killed, repeated and run twice
at once.
"""

from collections.abc import Iterator
from datetime import datetime

from keys.models import DataKey
from keys.vault import masters
from keys.vault.errors import VaultError
from keys.vault.keyring import label, newest, open_row
from keys.vault.sealing import seal, unseal
from keys.vault.slots import Slot


def waiting_for_rewrap() -> int:
    """How many data keys are not under the primary master key. Raises Sealed."""
    return DataKey.objects.exclude(master=masters.primary().fingerprint).count()


def rewrap() -> Iterator[VaultError | None]:
    """Wrap every data key with the primary master key; after each says what went wrong, if so."""
    primary = masters.primary()
    waiting = DataKey.objects.exclude(master=primary.fingerprint).order_by("pk")
    for pk in list(waiting.values_list("pk", flat=True)):
        row = DataKey.objects.filter(pk=pk).first()
        if row is None:
            continue  # its application went meanwhile
        try:
            text = label(row) + open_row(row).encoded()
        except VaultError as error:
            yield error
            continue
        same = DataKey.objects.filter(pk=row.pk, wrapped=row.wrapped)
        wrapped = primary.fernet.encrypt(text).decode()
        same.update(wrapped=wrapped, master=primary.fingerprint)
        yield None


def newest_version(application_id: str) -> int:
    """The version of the data key that seals now. Raises Sealed, Undecryptable."""
    return newest(application_id).version


def reseal(slot: Slot, stored: str) -> str:
    """The same secret sealed under the newest data key. Raises Sealed, Undecryptable."""
    return seal(slot, unseal(slot, stored))


def spend(application_id: str, now: datetime) -> int:
    """Mark the data keys that a newer one has replaced; returns how many."""
    older = DataKey.objects.filter(
        application_id=application_id, version__lt=newest_version(application_id), spent_at=None
    )
    return older.update(spent_at=now)
