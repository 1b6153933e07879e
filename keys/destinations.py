"""Which URLs and addresses may be talked to (server-side request forgery, DNS rebinding).

The rules of `keys.outbound`, apart from what speaks HTTP: settings are held to them at a start.
"""

import ipaddress
import re
import socket
from typing import Literal
from urllib.parse import urlsplit

from django.conf import settings

_URL = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]+\]|[^/?#\\@:\s\[\]]+)(?::(\d{1,5}))?([/?][^\s\\#]*)?"
)
_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_PRIVATE_NAME = re.compile(r"\.(?:localhost|localdomain|local|internal|intranet|home\.arpa)$")
_PORTS = {"http": 80, "https": 443}

# Ways to write an IPv4 address inside an IPv6 one; a router may turn them back.
_WRAPPINGS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "::ffff:0:0/96",
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
    )
)


class Blocked(Exception):
    """This URL or address is not one that Keydeck talks to. The text carries no URL."""

    reason: Literal["blocked"] = "blocked"

    def __init__(self, message: str = "the address is not allowed") -> None:
        super().__init__(message)


def check_url(url: str, base_url: str) -> None:
    """Raises Blocked unless `url` is at `base_url`, may be reached and has one reading only."""
    scheme, host, port, path = _parts(url)
    base_scheme, base_host, base_port, base_path = _parts(base_url)
    if (scheme, host, port) != (base_scheme, base_host, base_port):
        raise Blocked("the URL is not the provider's")
    plain = path.partition("?")[0]
    if _DOTS.search(plain):
        raise Blocked("the path of the URL is ambiguous")
    prefix = base_path.rstrip("/")
    if prefix and plain != prefix and not plain.startswith(f"{prefix}/"):
        raise Blocked("the URL is not below the provider's base URL")
    if is_allowed(host, port):
        return
    if scheme == "http" and settings.OUTBOUND_PROXY:
        raise Blocked("plain http is not allowed")
    literal = _literal(host)
    if literal is not None and not is_public(literal):
        raise Blocked


def check_host(host: str, port: int) -> None:
    """Raises Blocked for a host that is not of the open internet by its very spelling.

    Where a name leads is checked at each connection; this says so before anybody adds a key.
    """
    plain = host.strip("[]").lower().rstrip(".")
    if is_allowed(plain, port):
        return
    literal = _literal(plain)
    if literal is not None:
        if not is_public(literal):
            raise Blocked
    elif "." not in plain or _PRIVATE_NAME.search(plain) or _is_odd_address(plain):
        raise Blocked


def is_allowed(host: str, port: int) -> bool:
    """Whether the operator let `host:port` through (a name or an address)."""
    shown = f"[{host}]" if ":" in host else host
    if f"{shown}:{port}" in settings.OUTBOUND_ALLOW or f"{host}:{port}" in settings.OUTBOUND_ALLOW:
        return True
    return bool(settings.OUTBOUND_PROXY) and (host, port) == _proxy()


def proxy_for(url: str) -> str:
    """The proxy that `url` is asked through, or empty: this machine's own are not the proxy's."""
    if not settings.OUTBOUND_PROXY:
        return ""
    _, host, _, _ = _parts(url)
    literal = _literal(host)
    near = host == "localhost" or (literal is not None and literal.is_loopback)
    return "" if near else settings.OUTBOUND_PROXY


def check_address(name: str, address: str, port: int, *, plain: bool) -> None:
    """Raises Blocked unless a connection to `address`, resolved from `name`, may be made.

    Plain http goes only where the operator said so: a key would travel readable.
    """
    bare = address.partition("%")[0]
    if is_allowed(name, port) or is_allowed(bare, port):
        return
    if plain or not is_public(ipaddress.ip_address(bare)):
        raise Blocked


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether `address` is one of the open internet, written in the usual way."""
    if isinstance(address, ipaddress.IPv6Address) and any(address in net for net in _WRAPPINGS):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _parts(url: str) -> tuple[str, str, int, str]:
    if _CONTROL.search(url):
        raise Blocked("the URL holds blanks or control characters")
    match = _URL.fullmatch(url)
    if match is None:
        raise Blocked("the URL can't be used")
    scheme, host, port, path = match.groups()
    number = int(port) if port else _PORTS[scheme]
    return scheme, host.strip("[]").lower().rstrip("."), number, path or "/"


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_odd_address(host: str) -> bool:
    """Whether resolvers take `host` for an IPv4 address, such as 127.1 or 0x7f000001."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _proxy() -> tuple[str, int]:
    parts = urlsplit(settings.OUTBOUND_PROXY)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)
