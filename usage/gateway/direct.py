"""What a server may do for the gateway beyond ASGI, where the wait isn't needed. Pure.

A server whose `send` belongs to a `Direct` offers it; through any other, or where somebody stands
in between, the gateway speaks plain ASGI and does the same.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

Pair = tuple[bytes, bytes]


class Direct(ABC):
    """One request and its answer. `watcher` is called when the caller is gone."""

    watcher: Callable[[], None] | None = None

    @abstractmethod
    def whole_body(self) -> bytes | None:
        """The body, if all of it came already; None: ask `receive`."""

    @abstractmethod
    def respond(self, status: int, headers: Sequence[Pair], body: bytes) -> bool:
        """Sends a whole answer; False: it can't now, ask `send`.

        The headers name the body's length, or that none is due.
        """


def direct_of(send: object) -> Direct | None:
    """The server's own, if this is its `send` and not one that somebody wrapped."""
    owner = getattr(send, "__self__", None)
    return owner if isinstance(owner, Direct) else None
