"""Seal and unseal one secret: `kd1.<data key version>.<Fernet token>`."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.fernet import InvalidToken

from keys.vault.errors import Undecryptable
from keys.vault.keyring import data_key, newest
from keys.vault.secret import Secret
from keys.vault.slots import Slot

SCHEME = "kd1"


def seal(slot: Slot, secret: Secret) -> str:
    """The sealed text of a secret, which opens at this slot alone. Raises Sealed, Undecryptable."""
    opened = newest(slot.application_id)
    token = opened.fernet(slot).encrypt(secret.reveal().encode())
    return f"{SCHEME}.{opened.version}.{token.decode()}"


def unseal(slot: Slot, stored: str) -> Secret:
    """The secret sealed at this slot. Raises Sealed, or Undecryptable for anything else."""
    scheme, _, rest = stored.partition(".")
    digits, _, text = rest.partition(".")
    if scheme != SCHEME or not (digits.isascii() and digits.isdecimal()) or digits[0] == "0":
        raise Undecryptable(f"{_where(slot)}: not a sealed text of this scheme")
    if len(digits) > 9:
        raise Undecryptable(f"{_where(slot)}: no such data key")
    fernet = data_key(slot.application_id, int(digits)).fernet(slot)
    try:
        token = text.encode("ascii")
        # Base64 decoders skip characters and bits that carry nothing; one token has one text.
        if urlsafe_b64encode(urlsafe_b64decode(token)) != token:
            raise Undecryptable(f"{_where(slot)}: altered")
        return Secret(fernet.decrypt(token).decode())
    except (InvalidToken, ValueError):
        raise Undecryptable(f"{_where(slot)}: altered, or moved from another place") from None


def _where(slot: Slot) -> str:
    return f"{slot.field} {slot.key_id} version {slot.version}"
