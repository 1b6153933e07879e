"""What can go wrong in the vault. No message ever carries a secret or a sealed text."""


class VaultError(Exception):
    """The vault can't do what was asked; the message is one line for an operator."""


class Sealed(VaultError):
    """The master key that is needed isn't loaded, so nothing can be opened."""


class Undecryptable(VaultError):
    """This text doesn't open here: altered, moved from another place, or its data key is gone."""
