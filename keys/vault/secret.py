"""Plaintext in a type that doesn't print, pickle or compare in variable time."""

import hmac
from typing import NoReturn

# A shorter secret would be half given away by its last four characters.
_SHORTEST_WITH_TAIL = 8


class Secret:
    """A plaintext on its way between the vault and reveal, probe or inject."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The plaintext."""
        return self._text

    @property
    def last4(self) -> str:
        """The last four characters, or nothing of a secret too short to show a part of."""
        return self._text[-4:] if len(self._text) >= _SHORTEST_WITH_TAIL else ""

    def __repr__(self) -> str:
        return f"Secret(…{self.last4})"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment] # a hash would compare in variable time

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is never pickled or copied")
