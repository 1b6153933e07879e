"""What can go wrong on the way out. No text of these carries a URL, an address or a secret."""

from typing import Literal

Reason = Literal["connect", "tls", "timeout", "reset", "blocked"]

_WORDS: dict[Reason, str] = {
    "connect": "no connection to the provider",
    "tls": "the provider's certificate was not accepted",
    "timeout": "the provider did not answer in time",
    "reset": "the provider broke off the connection",
    "blocked": "the address is not allowed",
}


class OutboundError(Exception):
    """No answer came; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(_WORDS[reason])
        self.reason: Reason = reason
