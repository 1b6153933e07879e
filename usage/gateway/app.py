"""The gateway as an ASGI application, beside Django and behind none of its middleware.

Any server may mount `gateway`; `startup` and `shutdown` belong in its lifespan. `health`
answers for the gateway's own listener, whose readiness is its own (DESIGN decision 11).
"""

import asyncio
import contextlib

import orjson
from django.db import Error

from keys import vault
from usage import ingest
from usage.gateway import aside, desk, recording, transport
from usage.gateway.directory import WAIT, Directory
from usage.gateway.exchange import Exchange
from usage.gateway.inbound import Receive, Scope, Send

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})


async def startup() -> None:
    """Starts the directory and the drainer, and opens the vault's lookup secret."""
    directory = desk.mine().directory
    directory.start()
    ingest.start_drainer()
    # Where the database is away or the vault sealed, the first call tries again.
    with contextlib.suppress(Error, vault.VaultError):
        await asyncio.wrap_future(directory.run(lambda: vault.lookup_hash("")))


async def shutdown() -> None:
    """Ends what `startup` began; what is still in the spool is drained by whoever lives on."""
    await transport.close()
    aside.close()
    await asyncio.to_thread(ingest.stop_drainer)
    await asyncio.to_thread(desk.forget)


async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers /gateway/<provider>/<upstream path>; speaks the lifespan protocol."""
    if scope["type"] == "http":
        await Exchange(scope, receive, send).run()
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await send({"type": "websocket.close", "code": 1003})


async def health(scope: Scope, receive: Receive, send: Send) -> None:
    """/healthz: alive. /readyz: 200, or 503 with what is not as it should be."""
    del receive
    found = await asyncio.to_thread(status)
    ready = scope["path"] == "/healthz" or found["ready"]
    body = orjson.dumps({"status": "alive"} if scope["path"] == "/healthz" else found)
    pairs = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200 if ready else 503, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def status() -> dict[str, object]:
    """How the gateway of this process is. Known keys are served while `database` is stale.

    Waits for the directory's thread: not for an event loop.
    """
    here = desk.mine()
    directory = here.directory
    directory.start()
    database = "ok" if directory.fresh else "stale" if directory.serving else "away"
    checks = {
        "database": database,
        "vault": _vault(directory),
        "spool": "failing" if recording.failing() else "ok",
        "limits": here.limiter.status(),
    }
    ready = database != "away" and checks["vault"] != "sealed" and checks["spool"] == "ok"
    return {"status": "ready" if ready else "not ready", "ready": ready, "checks": checks}


def _vault(directory: Directory) -> str:
    if not directory.fresh:
        return "not asked"  # what it opened before serves on
    try:
        return "sealed" if directory.run(vault.is_sealed).result(WAIT) else "ok"
    except (Error, TimeoutError):
        return "not asked"


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await startup()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await shutdown()
            await send({"type": "lifespan.shutdown.complete"})
            return
