"""The vault: the one door for plaintext (DESIGN door 2, decisions 1, 2 and 13).

A master key wraps one data key per application; a data key yields one Fernet key per sealed
field of one version of one key, so that a row moved to another place does not open.
"""

from keys.vault import keyring, masters, system
from keys.vault.errors import Sealed, Undecryptable, VaultError
from keys.vault.keyring import create_data_key, recheck
from keys.vault.masters import (
    add_to_file,
    ensure_master_key,
    is_sealed,
    loaded_masters,
    retire_from_file,
)
from keys.vault.rewrapping import (
    newest_version,
    reseal,
    rewrap,
    spend,
    waiting_for_rewrap,
)
from keys.vault.sealing import data_key_version, seal, sealed_under, unseal
from keys.vault.secret import Secret
from keys.vault.slots import Slot, app_key_slot, provider_key_slot
from keys.vault.system import digest, ensure_system_secrets, fingerprint, lookup_hash, lookup_of

__all__ = [
    "Sealed",
    "Secret",
    "Slot",
    "Undecryptable",
    "VaultError",
    "add_to_file",
    "app_key_slot",
    "create_data_key",
    "data_key_version",
    "digest",
    "ensure_master_key",
    "ensure_system_secrets",
    "fingerprint",
    "forget",
    "is_sealed",
    "loaded_masters",
    "lookup_hash",
    "lookup_of",
    "newest_version",
    "provider_key_slot",
    "recheck",
    "reseal",
    "retire_from_file",
    "rewrap",
    "seal",
    "sealed_under",
    "spend",
    "unseal",
    "waiting_for_rewrap",
]


def forget() -> None:
    """Drop every key this process keeps open, and what it read of the master keys."""
    masters.forget()
    keyring.forget()
    system.forget()
