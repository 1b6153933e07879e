"""Seal and unseal one secret: `kd1.<data key version>.<Fernet token>`."""

import re
import string
from functools import lru_cache

from cryptography.fernet import InvalidToken

from keys.vault.errors import Undecryptable
from keys.vault.keyring import data_key, newest
from keys.vault.secret import Secret
from keys.vault.slots import Slot

SCHEME = "kd1"
_HEAD = re.compile(rf"{SCHEME}\.([1-9][0-9]{{0,8}})\.", re.ASCII)
_DIGITS = (string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_").encode()
# The last digit before the padding has 2 or 4 bits that carry nothing: they must be 0.
_LAST_DIGITS = {b"": _DIGITS, b"=": _DIGITS[::4], b"==": _DIGITS[::16]}


def seal(slot: Slot, secret: Secret) -> str:
    """The sealed text of a secret, which opens at this slot alone. Raises Sealed, Undecryptable."""
    opened = newest(slot.application_id)
    token = opened.fernet(slot).encrypt(secret.reveal().encode())
    return sealed_under(opened.version) + token.decode()


def unseal(slot: Slot, stored: str) -> Secret:
    """The secret sealed at this slot. Raises Sealed, or Undecryptable for anything else."""
    version, token = _read(stored)
    if not version:
        raise Undecryptable(f"{_where(slot)}: not a sealed text of this scheme")
    fernet = data_key(slot.application_id, version).fernet(slot)
    if not token:
        raise Undecryptable(f"{_where(slot)}: altered")
    try:
        return Secret(fernet.decrypt(token).decode())
    except (InvalidToken, ValueError):
        raise Undecryptable(f"{_where(slot)}: altered, or moved from another place") from None


# What is kept is what stands in the database: nothing of it opens without its key.
@lru_cache(maxsize=1024)
def _read(stored: str) -> tuple[int, bytes]:
    """The version of the data key and the token of a sealed text; 0 or empty for what is none."""
    version = data_key_version(stored)
    token = stored.split(".", 2)[2] if version else ""
    encoded = token.encode("ascii") if token.isascii() else b""
    return version or 0, encoded if _is_canonical(encoded) else b""


def sealed_under(version: int) -> str:
    """How a text begins that is sealed under this version of a data key."""
    return f"{SCHEME}.{version}."


def data_key_version(stored: str) -> int | None:
    """The version of the data key that a text is sealed under; None when it is no such text."""
    found = _HEAD.match(stored)
    return int(found[1]) if found else None


def _is_canonical(token: bytes) -> bool:
    """Whether this is the one spelling of its bytes: decoders skip what carries nothing."""
    padding = token.translate(None, _DIGITS)
    last = _LAST_DIGITS.get(padding)
    if last is None or not token or len(token) % 4 or not token.endswith(padding):
        return False
    return token[-1 - len(padding)] in last


def _where(slot: Slot) -> str:
    return f"{slot.field} {slot.key_id} version {slot.version}"
