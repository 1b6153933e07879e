"""The sandbox as an ASGI app: reads requests, delivers answers, kills and revives keys."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from keys.sandbox.behaviour import Act, Behaviour, behaviour_of
from keys.sandbox.messages import Answer, Incoming, answer_json, read
from keys.sandbox.page import page
from keys.sandbox.state import State
from keys.sandbox.upstream import respond

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DRIP = 0.2  # seconds
# One grey pixel, so that an output link opens.
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGM4AQAAvgC9PbV5gAAAAABJRU5ErkJggg=="
)


class Sandbox:
    def __init__(self, state: State) -> None:
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        incoming = read(
            scope["method"], scope["path"], scope["query_string"], scope["headers"], body
        )
        if incoming.path.startswith(("/api/", "/v1/")):
            await self._call(scope, incoming, receive, send)
        else:
            await _deliver(self._own(incoming), send)

    async def _call(self, scope: Scope, incoming: Incoming, receive: Receive, send: Send) -> None:
        answer, behaviour = respond(incoming, self.state)
        reset = behaviour.act is Act.RESET
        self.state.receive(incoming, 0 if reset else answer.status)
        if reset:
            scope["extensions"]["sandbox"]["reset"]()
            await receive()  # until the connection is gone
            return
        if behaviour.act is Act.SLOW:
            await asyncio.sleep(behaviour.number_or(1))
        await _deliver(answer, send, behaviour)

    def _own(self, incoming: Incoming) -> Answer:
        """The sandbox's own page and controls."""
        path, is_post = incoming.path, incoming.method == "POST"
        if path == "/":
            return page(self.state)
        if path.startswith("/output/"):
            return Answer(200, _PIXEL, b"image/png")
        if path == "/_sandbox/keys":
            return answer_json(200, _keys(self.state))
        if path == "/_sandbox/requests":
            last = incoming.query.get("last", "100")
            return answer_json(200, self.state.journal(int(last) if last.isdigit() else 100))
        if path == "/_sandbox/traces":
            traces = list(self.state.traces)
            return answer_json(200, {"count": len(traces), "traces": traces})
        if is_post and path == "/_sandbox/clear":
            self.state.clear_requests()
            return answer_json(200, {"cleared": True})
        if is_post and path.startswith("/_sandbox/keys/"):
            return self._change(incoming)
        return answer_json(404, {"error": "There is no such page."})

    def _change(self, incoming: Incoming) -> Answer:
        key, _, verb = incoming.path.removeprefix("/_sandbox/keys/").rpartition("/")
        key = unquote(key)
        origin = incoming.headers.get("origin")
        if origin and urlsplit(origin).netloc != incoming.headers.get("host"):
            return answer_json(403, {"error": "This form was sent from another site."})
        if verb not in ("kill", "revive") or behaviour_of(key) is None:
            return answer_json(404, {"error": "There is no such sandbox key."})
        if verb == "kill":
            self.state.kill(key)
        else:
            self.state.revive(key)
        if incoming.headers.get("content-type", "").startswith("application/x-www-form"):
            return Answer(303, headers=((b"location", b"/"),))
        return answer_json(200, {"key": key, "killed": key in self.state.killed})


def _keys(state: State) -> dict[str, object]:
    seen = [
        {"key": key, "killed": key in state.killed, "requests": uses[0], "last_seen": uses[1]}
        for key, uses in state.seen.items()
    ]
    return {"seen": seen, "killed": sorted(state.killed)}


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _deliver(
    answer: Answer,
    send: Send,
    behaviour: Behaviour = Behaviour(Act.LIVE),  # noqa: B008 - frozen
) -> None:
    headers = [(b"content-type", answer.content_type), *answer.headers]
    cut = behaviour.act is Act.CUT
    if not answer.events:
        promised = len(answer.body) * (2 if cut else 1)
        headers.append((b"content-length", str(promised).encode("ascii")))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    pieces = answer.events or (answer.body,)
    if cut:
        # Returning with the answer unfinished makes the server close the connection.
        await send(_piece(pieces[0], more=True))
        return
    for number, piece in enumerate(pieces, start=1):
        await send(_piece(piece, more=number < len(pieces)))
        if behaviour.act is Act.DRIP and number < len(pieces):
            await asyncio.sleep(behaviour.number_or(DRIP))


def _piece(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
