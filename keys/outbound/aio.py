"""The same rules for aiohttp, which dials for the gateway."""

import asyncio
import socket
import ssl
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import aiohttp
import certifi
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from yarl import URL

from keys.destinations import Blocked, check_address

_plain: ContextVar[bool] = ContextVar("plain", default=False)


class CheckedResolver(AbstractResolver):
    """The system's resolver; raises Blocked for an address that may not be talked to."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        _check(host, port, found)
        return found

    async def close(self) -> None:
        await self._inner.close()


class CheckedConnector(aiohttp.TCPConnector):
    """A connector that also checks hosts that are addresses: those never reach a resolver."""

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        found = await super()._resolve_host(host, port, traces)
        _check(host, port, found)
        return found

    async def _get(self, key: Any, traces: Any) -> Any:
        """One that waited; never one that was spoken on meanwhile: the next call would get that."""
        while found := await super()._get(key, traces):
            if found.protocol is None or not found.protocol.should_close:
                return found
            found.close()
        return None

    async def dial(self, url: URL, proxy: URL | None, timeout: float) -> asyncio.Transport:
        """A new connection to where `url` leads, within `timeout` seconds; whoever gets it sets
        its protocol. Raises Blocked, TimeoutError, aiohttp.ClientError and OSError."""
        request = aiohttp.ClientRequest("GET", url, loop=self._loop, proxy=proxy)
        patience = aiohttp.ClientTimeout(sock_connect=timeout)
        protocol = await self._create_connection(request, [], patience)
        transport = protocol.transport
        if transport is None or protocol.should_close:  # gone, or spoken to before it was asked
            protocol.close()
            raise aiohttp.ServerDisconnectedError
        return transport

    async def _create_direct_connection(self, req: Any, *args: Any, **kwargs: Any) -> Any:
        if not req.url.raw_host or req.port is None:  # a URL of another kind
            raise Blocked
        token = _plain.set(not req.is_ssl())
        try:
            return await super()._create_direct_connection(req, *args, **kwargs)
        finally:
            _plain.reset(token)


def connector(**options: Any) -> CheckedConnector:
    """A connector for a ClientSession, to be made inside the event loop."""
    return CheckedConnector(
        **{"resolver": resolver(), "ssl": _tls(settings.OUTBOUND_CA), **options}
    )


def resolver() -> AbstractResolver:
    """A resolver that answers with allowed addresses only."""
    return CheckedResolver()


def _check(host: str, port: int, found: list[ResolveResult]) -> None:
    for address in found:
        check_address(host, address["host"], port, plain=_plain.get())


@lru_cache(maxsize=2)
def _tls(authorities: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authorities or certifi.where())
