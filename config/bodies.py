"""A bound on the body of a request to pages and REST, whoever sends it.

Django writes a body to a temporary file, however long it is, before any view or check of who
sends it. The gateway has bounds of its own (usage.gateway.inbound).
"""

import asyncio
from typing import Any

from django.conf import settings
from django.http import HttpRequest

BODY_TIME = 60.0  # seconds a body may take to come
_TOO_LATE = [
    (b"content-type", b"text/plain"),
    (b"content-length", b"28"),
    (b"connection", b"close"),
]
CUT = "keydeck.body_cut"  # in the scope of a request whose body was too large
ENDLESS = "keydeck.endless"  # whether its answer ends only with its reader, or the server


def bounded(app: Any) -> Any:
    """The ASGI `app`, given at most `DATA_UPLOAD_MAX_MEMORY_SIZE` bytes of a request's body.

    A longer one ends for it where it would pass the bound, and at once if its length is
    announced; `too_large` then says so of the request. What still comes is thrown away. One that
    isn't there in time is answered 408.
    """

    async def within_the_bound(scope: Any, receive: Any, send: Any) -> None:
        room = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        is_ended = is_late = False
        deadline = asyncio.get_running_loop().time() + BODY_TIME

        async def counted() -> Any:
            nonlocal room, is_ended, is_late
            if not is_ended and CUT not in scope:
                try:
                    async with asyncio.timeout_at(deadline):
                        message = await receive()
                except TimeoutError:
                    is_ended = is_late = True
                    return {"type": "http.disconnect"}
                room -= len(message.get("body", b""))
                if room >= 0:
                    is_ended = not message.get("more_body")
                    return message
                scope[CUT] = True
            if not is_ended:
                is_ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            while (message := await receive())["type"] == "http.request":
                pass
            return message

        if announced.isdigit() and int(announced) > room:
            scope[CUT] = True
        await app(scope, counted, send)
        if is_late:
            await send({"type": "http.response.start", "status": 408, "headers": _TOO_LATE})
            await send({"type": "http.response.body", "body": b"The request came too slowly."})

    return within_the_bound


def too_large(request: HttpRequest) -> bool:
    """Whether the request's body is past the bound, read or not."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
    is_cut = CUT in getattr(request, "scope", ())  # WSGI's requests have no scope
    return is_cut or (announced.isdecimal() and int(announced) > limit)
