"""Why the domain says no. Messages are sentences for people and never carry a secret.

An act that needs the vault may raise its VaultError as well: `unopened` says it in a sentence.
"""

from keys.vault import Sealed, VaultError


class LifecycleError(Exception):
    """An act that was refused; nothing has changed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Conflict(LifecycleError):
    """The present state doesn't allow the act. `existing` names what is in the way, if anything."""

    def __init__(self, message: str, *, existing: str = "") -> None:
        super().__init__(message)
        self.existing = existing


class Invalid(LifecycleError):
    """One input, `field`, can't be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def why_not(error: LifecycleError | VaultError) -> str:
    """Why an act on one of many keys was refused, in a sentence."""
    return unopened(error) if isinstance(error, VaultError) else error.message


def unopened(error: VaultError) -> str:
    """What to tell people about a vault that doesn't open; nothing has changed."""
    if isinstance(error, Sealed):
        return "The vault is sealed: the master key is missing. Put it back, then try again."
    return "The stored secret can’t be opened with the keys of this vault."
