"""The gateway as an ASGI application, beside Django and behind none of its middleware."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def startup() -> None:
    """Starts what the gateway needs in this process; for the server's lifespan."""


async def shutdown() -> None:
    """Ends what `startup` began."""


async def health(scope: Scope, receive: Receive, send: Send) -> None:
    """/healthz and /readyz of the gateway's own listener."""


async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers /gateway/<provider>/<upstream path>."""
