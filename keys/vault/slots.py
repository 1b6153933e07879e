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
    """Where the secret of a provider key's version is sealed.

    `address` is the base URL of a custom provider that it was entered for: written over to
    another address, or another such provider, it doesn't open. Of a provider that is code it is
    empty: nobody but the operator says where that is.
    """
    bound = f" {provider} {address}" if address else ""
    return Slot(application_id, key_id, number, f"provider_key{bound}")


def app_key_slot(application_id: str, key_id: str, number: int) -> Slot:
    """Where the text of an app key's version is sealed."""
    return Slot(application_id, key_id, number, "app_key")
