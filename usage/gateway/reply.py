"""The answer's way to the caller, with what is ours in its head."""

from typing import Any

from usage.gateway import cors, headers
from usage.gateway.asked import Asked
from usage.gateway.direct import Pair, direct_of
from usage.gateway.inbound import Send


class Reply:
    """One call's. `begun`: the caller has our response line."""

    def __init__(self, asked: Asked, send: Send, request_id: str) -> None:
        self.send = send
        self.begun = False
        self._asked = asked
        self._direct = direct_of(send)
        self._id = request_id

    async def whole(self, status: int, pairs: list[Pair], body: bytes) -> None:
        """Sends a whole answer; the headers name the body's length, or that none is due."""
        self.begun = True
        headed = self._headed(pairs)
        if self._direct is None or not self._direct.respond(status, headed, body):
            await self.send({"type": "http.response.start", "status": status, "headers": headed})
            await self.end(body)

    async def start(self, status: int, pairs: list[Pair]) -> None:
        """Sends the response line and headers."""
        self.begun = True
        headed = self._headed(pairs)
        await self.send({"type": "http.response.start", "status": status, "headers": headed})

    async def more(self, part: bytes) -> None:
        await self.send({"type": "http.response.body", "body": part, "more_body": True})

    async def end(self, last: bytes) -> None:
        await self.send({"type": "http.response.body", "body": last})

    def _headed(self, pairs: list[Pair]) -> list[Any]:
        headed = [*pairs, *headers.FIXED, (b"x-request-id", self._id.encode())]
        if shown := cors.shown(self._asked):
            headed += headers.encode(shown)
        return headed
