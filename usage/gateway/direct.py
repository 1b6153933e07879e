"""What a server may do for the gateway beyond ASGI, where the wait isn't needed. Pure.

A server offers it by a `send` that belongs to a `Direct`. Through any other server, or where
somebody stands in between, the gateway speaks plain ASGI and does the same.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

Pair = tuple[bytes, bytes]


class Direct(Protocol):
    """One request and its answer. `watcher` is called when the caller is gone.

    `connection` is for whatever one request of a connection leaves to the next.
    """

    connection: dict[str, Any]
    watcher: Callable[[], None] | None

    def whole_body(self) -> bytes | None:
        """The body, if all of it came already; None: ask `receive`."""

    def respond(self, status: int, headers: Sequence[Pair], body: bytes) -> bool:
        """Sends a whole answer; False: it can't now, ask `send`.

        The headers name the body's length, or that none is due.
        """


def direct_of(send: object) -> Direct | None:
    """The server's own, if this is its `send` and not one that somebody wrapped."""
    owner = getattr(send, "__self__", None)
    return cast("Direct", owner) if getattr(owner, "is_direct", False) else None
