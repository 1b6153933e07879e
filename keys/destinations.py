"""Which URLs and addresses may be talked to (server-side request forgery, DNS rebinding).

The rules of `keys.outbound`, apart from what speaks HTTP: settings are held to them at a start.
"""

import ipaddress
import re
import unicodedata
from typing import Literal
from urllib.parse import urlsplit

from django.conf import settings

_URL = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]+\]|[^/?#\\@:\s\[\]]+)(?::(\d{1,5}))?([/?][^\s\\#]*)?"
)
_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_PRIVATE_NAME = re.compile(
    r"\.(?:localhost|localdomain|local|internal|intranet|private|corp|home|lan|home\.arpa|onion)$"
)
# What no name of the open internet has: an ASCII character that host names don't have, or digits
# for a last label. Resolvers read the latter as an IPv4 address, such as 127.1 or 0x7f000001.
_NOT_A_NAME = re.compile(r"[\x00-,/:-@\[-^`{-\x7f]|(?:^|\.)(?:\d+|0x[0-9a-f]*)$|\.\.|^\.", re.ASCII)
_FULL_STOPS = str.maketrans("\u3002\uff61", "..")
_PORTS = {"http": 80, "https": 443}

# What IANA's registries of special-purpose addresses set aside, and what clouds put into each
# machine's reach. Written out: the standard library's idea of it differs from version to version.
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host, of every machine there
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",  # 192.0.0.192 is Oracle's metadata
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
# All of IPv6 that is handed out. Outside it are, among others, the ways to write an IPv4 address
# inside an IPv6 one, which a router may turn back: ::/96, ::ffff:0:0/96, 64:ff9b::/96.
_HANDED_OUT = ipaddress.ip_network("2000::/3")
_ISATAP = 0x5EFE  # in the third quarter, before an IPv4 address


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
    literal = _literal(host)
    if literal is not None and not is_public(literal):
        raise Blocked


def check_host(host: str, port: int) -> None:
    """Raises Blocked for a host that is not of the open internet by its very spelling.

    Where a name leads is checked at each connection; this says so before anybody adds a key.
    """
    plain = _as_resolved(host)
    if is_allowed(plain, port):
        return
    literal = _literal(plain)
    if literal is not None:
        if not is_public(literal):
            raise Blocked
    elif "." not in plain or _NOT_A_NAME.search(plain) or _PRIVATE_NAME.search(plain):
        raise Blocked


def is_allowed(host: str, port: int) -> bool:
    """Whether the operator let `host:port` through (a name or an address)."""
    shown = f"[{host}]" if ":" in host else host
    return bool({f"{shown}:{port}", f"{host}:{port}"} & {*settings.OUTBOUND_ALLOW})


def proxy_for(url: str) -> str:
    """The proxy that `url` is asked through, or empty: this machine's own are not the proxy's.

    Raises Blocked: the proxy resolves names itself, so the spelling is all that can be checked.
    """
    if not settings.OUTBOUND_PROXY:
        return ""
    scheme, host, port, _ = _parts(url)
    literal = _literal(host)
    if host == "localhost" or (literal is not None and literal.is_loopback):
        return ""
    if scheme == "http" and not is_allowed(host, port):
        raise Blocked("plain http is not allowed")
    check_host(host, port)
    return settings.OUTBOUND_PROXY


def check_address(name: str, address: str, port: int, *, plain: bool) -> None:
    """Raises Blocked unless a connection to `address`, resolved from `name`, may be made.

    Plain http goes only where the operator said so: a key would travel readable.
    """
    if _is_read_in_two_ways(name):
        raise Blocked
    bare = address.partition("%")[0]
    if is_allowed(name, port) or is_allowed(bare, port) or (name, port) == _proxy():
        return
    literal = _literal(bare)
    if plain or literal is None or not is_public(literal):
        raise Blocked


def _is_read_in_two_ways(host: str) -> bool:
    """Whether some resolvers take `host`, which is no address as it stands, for one."""
    plain = _as_resolved(host)
    return _literal(plain) is None and _NOT_A_NAME.search(plain) is not None


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether `address` is one of the open internet, written in the usual way."""
    if isinstance(address, ipaddress.IPv6Address):
        quarter = int(address) >> 32 & 0xFFFFFFFF
        if address not in _HANDED_OUT or quarter & ~0x02000000 == _ISATAP:
            return False
    return not any(address in network for network in _SPECIAL)


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


def _as_resolved(host: str) -> str:
    """`host` as resolvers and HTTP clients read it: full-width and circled characters are plain."""
    plain = unicodedata.normalize("NFKC", host.strip("[]")).lower()
    return plain.translate(_FULL_STOPS).rstrip(".")


def _proxy() -> tuple[str, int]:
    """Where the proxy is reached, which a provider's own address never is."""
    parts = urlsplit(settings.OUTBOUND_PROXY)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)
