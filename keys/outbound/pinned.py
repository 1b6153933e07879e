"""A `requests` adapter whose connections go to the very address that was checked.

Name, certificate and Host header stay the URL's; only the socket is ours. Pooled connections
stay as cheap as `requests` has them: the check is made once a connection.
"""

import queue
import socket
import threading
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from keys.destinations import check_address, proxy_for
from keys.outbound.deadline import current
from keys.outbound.line import MOST_INTERIM

Address = tuple[int, int, int, str, tuple[Any, ...]]  # of getaddrinfo

RESOLVE_TIMEOUT = 10.0  # seconds, where the caller gave none


class PinnedAdapter(HTTPAdapter):
    """Mount it for http:// and https://; proxy and certificates come from the settings alone."""

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Sends one request to one server. Raises Blocked, and what `requests` raises."""
        proxy = proxy_for(request.url or "")
        return super().send(
            request,
            stream=stream,
            timeout=timeout,
            verify=settings.OUTBOUND_CA or True,
            cert=cert,
            proxies={"http": proxy, "https": proxy} if proxy else {},
        )


def _connect(connection: HTTPConnection, *, plain: bool) -> socket.socket:
    """A socket to the first address of the connection's host that may be used and answers."""
    host = connection.host.strip("[]")
    try:
        addresses = _resolve(host, connection.port, _limit(connection) or RESOLVE_TIMEOUT)
        for *_, target in addresses:
            check_address(host, target[0], connection.port, plain=plain)
        return _first(connection, addresses)
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from None
    except TimeoutError:
        raise ConnectTimeoutError(connection, "no connection in time") from None
    except OSError as error:
        raise NewConnectionError(connection, "no connection") from error


def _first(connection: HTTPConnection, addresses: list[Address]) -> socket.socket:
    failure = OSError("no address")
    for family, kind, protocol, _, target in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(_limit(connection))
            sock.connect(target)
        except OSError as error:
            sock.close()
            failure = error
            continue
        watcher = current()
        if watcher:
            watcher.watch(sock)
        return sock
    raise failure


def _limit(connection: HTTPConnection) -> float | None:
    watcher = current()
    if watcher:
        return watcher.left()
    return connection.timeout if isinstance(connection.timeout, int | float) else None


def _resolve(host: str, port: int, timeout: float) -> list[Address]:
    """getaddrinfo within `timeout`: the system's resolver knows no deadline of its own."""
    done: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def work() -> None:
        try:
            done.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except UnicodeError:
            done.put(socket.gaierror(socket.EAI_NONAME, "not a host name"))
        except OSError as error:
            done.put(error)

    threading.Thread(target=work, name="resolve", daemon=True).start()
    try:
        found = done.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, OSError):
        raise found
    return found


class _Response(HTTPResponse):
    """One of http.client's, which passes over as many interim answers as anybody sends."""

    _heads = 0

    def _read_status(self) -> tuple[str, int, str]:
        self._heads += 1
        if self._heads > MOST_INTERIM + 1:
            raise HTTPException("interim answers without end")
        return super()._read_status()  # type: ignore[misc,no-any-return] # not in its stubs


class _PlainConnection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connect(self, plain=True)


class _SecureConnection(HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connect(self, plain=False)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _PlainPool, "https": _SecurePool}
