"""A provider's answer as it comes over its line."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keys.outbound.line import Line

AHEAD = 128 * 1024  # bytes that wait for their reader before no more are taken


class BrokeOff(OSError):
    """The connection ended in the middle, or what came over it is no answer."""


class Answer:
    """What a provider answers, as it comes. `headers` have lower-case names."""

    status = 0  # 0: not there yet
    headers: Sequence[tuple[bytes, bytes]] = ()
    complete = False
    error: BaseException | None = None
    _waiting: asyncio.Future[None] | None = None
    _left = 0  # bytes that wait for their reader

    def __init__(self, line: "Line", method: str) -> None:
        self.line = line
        self.method = method
        self._parts: list[bytes] = []

    def header(self, name: bytes) -> str:
        """The first header of this lower-case name, or empty."""
        for known, value in self.headers:
            if known == name:
                return value.decode("latin-1")
        return ""

    def values(self, name: bytes) -> list[str]:
        """Every header of this lower-case name."""
        return [value.decode("latin-1") for known, value in self.headers if known == name]

    async def head(self) -> None:
        """Waits for status and headers. Raises BrokeOff, TimeoutError, and what the body raised."""
        while self.error is None and not self.status:
            await self._more()
        if self.error is not None:
            raise self.error

    def whole(self) -> bytes | None:
        """What is left of the body, when all of it is there."""
        return self._taken() if self.complete and self.error is None else None

    async def part(self) -> bytes | None:
        """What came of the body meanwhile; None at its end. Raises as `head`."""
        while not self._parts:
            if self.error is not None:
                raise self.error
            if self.complete:
                return None
            await self._more()
        part = self._taken()
        self.line.go_on()
        return part

    def _taken(self) -> bytes:
        parts = self._parts
        taken = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._left = 0
        return taken

    def came(self, part: bytes) -> None:
        self._parts.append(part)
        self._left += len(part)
        if self._left > AHEAD:
            self.line.hold()

    def fail(self, error: BaseException) -> None:
        """Who reads on meets this, behind what came before."""
        if self.error is None:
            self.error = error
        self.wake()

    @property
    def ends_with_the_line(self) -> bool:
        """Whether the body, without a length, is at its end when the connection is."""
        framing = (b"content-length", b"transfer-encoding")
        return not any(name in framing for name, _ in self.headers)

    def wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _more(self) -> None:
        self._waiting = self.line.loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None
