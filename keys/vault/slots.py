"""Where a sealed text belongs: the place that its own key is derived for. Pure."""

from typing import NamedTuple


class Slot(NamedTuple):
    """One field of one version of one key of one application ("" is the system)."""

    application_id: str
    key_id: str
    version: int
    field: str

    def encode(self) -> bytes:
        """An encoding that no two slots share: every part preceded by its length."""
        parts = (self.application_id, self.key_id, str(self.version), self.field)
        encoded = [part.encode() for part in parts]
        return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def provider_key_slot(
    application_id: str, key_id: str, number: int, provider: str, address: str
) -> Slot:
    """Where the secret of a provider key's version is sealed, and whom it is for.

    `address` is the base URL of a custom provider that it was entered for, else empty: written
    over to another provider, or another address, it doesn't open.
    """
    return Slot(application_id, key_id, number, f"provider_key {provider} {address}")


def app_key_slot(application_id: str, key_id: str, number: int) -> Slot:
    """Where the text of an app key's version is sealed."""
    return Slot(application_id, key_id, number, "app_key")
