"""A bound on the body of a request to pages and REST, whoever sends it.

Django writes a body to a temporary file, however long it is, before any view or check of who
sends it. The gateway has bounds of its own (usage.gateway.inbound).
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

CUT = "keydeck.body_cut"  # in the scope of a request whose body was too large


def bounded(app: Any) -> Any:
    """The ASGI `app`, given at most `DATA_UPLOAD_MAX_MEMORY_SIZE` bytes of a request's body.

    A longer one ends for it where it would pass the bound, and at once if its length is
    announced; `too_large` then says so of the request. What still comes is thrown away.
    """

    async def within_the_bound(scope: Any, receive: Any, send: Any) -> None:
        room = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        is_ended = False

        async def counted() -> Any:
            nonlocal room, is_ended
            while CUT not in scope:
                message = await receive()
                room -= len(message.get("body", b""))
                if room >= 0:
                    return message
                scope[CUT] = True
            while is_ended:
                message = await receive()
                if message["type"] != "http.request":
                    return message
            is_ended = True
            return {"type": "http.request", "body": b"", "more_body": False}

        if announced.isdigit() and int(announced) > room:
            scope[CUT] = True
        await app(scope, counted, send)

    return within_the_bound


def too_large(request: HttpRequest) -> bool:
    """Whether the request's body is past the bound, read or not."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
    is_cut = CUT in getattr(request, "scope", ())  # WSGI's requests have no scope
    return is_cut or (announced.isdecimal() and int(announced) > limit)
