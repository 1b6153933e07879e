"""ASGI entry points: Django with the gateway mounted beside it, and the gateway alone.

`application` is what `make up` serves. `gateway` is the gateway's own listener in production
(DESIGN decision 8): calls and its own readiness, no admin page.
"""

import gc
import os
from typing import Any

from django.core.asgi import get_asgi_application
from uuid_utils import uuid7

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
loaded = get_asgi_application()  # before the imports below: they need the apps loaded

from config.bodies import bounded  # noqa: E402
from usage.gateway import app, errors  # noqa: E402
from usage.streaming import streamed  # noqa: E402

django = bounded(streamed(loaded))

MOUNT = "/gateway/"
YOUNG = 50_000  # objects made before the young ones are looked through; a call makes a thousand


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The whole product on one listener."""
    if scope["type"] == "lifespan":
        _settle()
        await app.gateway(scope, receive, send)
    elif scope["path"].startswith(MOUNT):
        await app.gateway(scope, receive, send)
    else:
        await django(scope, receive, send)


async def gateway(scope: Any, receive: Any, send: Any) -> None:
    """The gateway's own listener: calls, /healthz, /readyz, /metrics; anything else is 404."""
    if scope["type"] == "lifespan":
        _settle()
        await app.gateway(scope, receive, send)
    elif scope["path"].startswith(MOUNT):
        await app.gateway(scope, receive, send)
    elif scope["path"] in app.HEALTH_PATHS:
        await app.health(scope, receive, send)
    elif scope["path"] == "/metrics":
        await django(scope, receive, send)
    else:
        await _not_found(send)


def _settle() -> None:
    """What was imported stays for good: walking it for garbage again and again cost each call of
    the gateway a tenth of its time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


async def _not_found(send: Any) -> None:
    """The gateway's own error (DESIGN section 7), for a path that is none of its."""
    request_id = str(uuid7())
    body = errors.body(errors.Denial(404, "not_found", "Not found"), request_id)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
