"""The system's own secrets and what is computed with them (DESIGN decisions 2 and 13).

The lookup pepper and the fingerprint key are made once, on first use, and sealed under the
system's data key. Losing the race to make them means reading the winner's.
"""

import hashlib
import hmac
import secrets
from functools import partial

from django.db import IntegrityError, transaction

from keys.models import DataKey, SystemSecret
from keys.vault import keyring
from keys.vault.sealing import seal, unseal
from keys.vault.secret import Secret
from keys.vault.slots import Slot

_PEPPER = "lookup pepper"
_FINGERPRINT = "fingerprint key"

_kept: dict[str, bytes] = {}


def lookup_hash(text: str) -> str:
    """HMAC-SHA256 of an app key's text with the pepper, hex: how an app key is found."""
    return hmac.digest(_system_secret(_PEPPER), text.encode(), hashlib.sha256).hex()


def lookup_of(secret: Secret) -> str:
    """The lookup hash of an app key's text that is at hand as a secret."""
    return lookup_hash(secret.reveal())


def fingerprint(secret: Secret) -> str:
    """The same hex text for the same secret everywhere, useless without the fingerprint key."""
    key = _system_secret(_FINGERPRINT)
    return hmac.digest(key, secret.reveal().encode(), hashlib.sha256).hex()


def digest(slot: Slot, secret: Secret, bound_to: str = "") -> str:
    """Hex text that names this secret at this place, for the audit trail, and whom it is for.

    Unlike a fingerprint it doesn't tell that two places hold the same secret.
    """
    message = slot.encode() + f"{bound_to}\0".encode() + secret.reveal().encode()
    return hmac.digest(_system_secret(_FINGERPRINT), message, hashlib.sha256).hex()[:32]


def ensure_system_secrets() -> None:
    """Make what isn't there yet, before any act needs it inside a transaction of its own."""
    for name in (_PEPPER, _FINGERPRINT):
        _system_secret(name)


def forget() -> None:
    _kept.clear()


def _system_secret(name: str) -> bytes:
    kept = _kept.get(name)
    if kept is not None:
        return kept
    row = SystemSecret.objects.filter(pk=name).first() or _create(name)
    value = bytes.fromhex(unseal(_slot(name), row.sealed).reveal())
    # Not before the commit: a transaction that rolls back takes the secret with it.
    transaction.on_commit(partial(_kept.__setitem__, name, value))
    return value


def _create(name: str) -> SystemSecret:
    _ensure_data_key()
    sealed = seal(_slot(name), Secret(secrets.token_hex(32)))
    try:
        with transaction.atomic():
            return SystemSecret.objects.create(name=name, sealed=sealed)
    except IntegrityError:
        return SystemSecret.objects.get(pk=name)


def _ensure_data_key() -> None:
    if DataKey.objects.filter(application=None).exists():
        return
    try:
        with transaction.atomic():
            keyring.create_data_key(None, version=1)
    except IntegrityError:
        return  # another process made it first


def _slot(name: str) -> Slot:
    return Slot("", name, 1, "system")
