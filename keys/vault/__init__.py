"""The vault: the one door for plaintext (DESIGN door 2, decisions 1, 2 and 13).

A master key wraps one data key per application; a data key yields one Fernet key per sealed
field of one version of one key, so that a row moved to another place does not open.
"""

from keys.vault import keyring, masters, system
from keys.vault.errors import Sealed, Undecryptable, VaultError
from keys.vault.keyring import create_data_key, recheck
from keys.vault.masters import ensure_master_key, is_sealed
from keys.vault.sealing import seal, unseal
from keys.vault.secret import Secret
from keys.vault.slots import Slot, app_key_slot, provider_key_slot
from keys.vault.system import ensure_system_secrets, fingerprint, lookup_hash

__all__ = [
    "Sealed",
    "Secret",
    "Slot",
    "Undecryptable",
    "VaultError",
    "app_key_slot",
    "create_data_key",
    "ensure_master_key",
    "ensure_system_secrets",
    "fingerprint",
    "forget",
    "is_sealed",
    "lookup_hash",
    "provider_key_slot",
    "recheck",
    "seal",
    "unseal",
]


def forget() -> None:
    """Drop every key this process keeps open, and what it read of the master keys."""
    masters.forget()
    keyring.forget()
    system.forget()
