"""The caller's network address; a forwarded one is believed of trusted proxies alone."""

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def request_address(meta: Mapping[str, Any]) -> str:
    """The address of a Django request's sender, from request.META."""
    peer = str(meta.get("REMOTE_ADDR", ""))
    return client_address(peer, str(meta.get("HTTP_X_FORWARDED_FOR", "")), settings.TRUSTED_PROXIES)


def client_address(peer: str, forwarded: str, trusted: Sequence[str]) -> str:
    """As `_client_address`, kept for a while: a client sends many calls."""
    return _client_address(peer, forwarded, tuple(trusted))


@lru_cache(maxsize=4096)
def _client_address(peer: str, forwarded: str, trusted: tuple[str, ...]) -> str:
    """The last address of the forwarding chain that isn't a trusted proxy's ("" if none is valid).

    An IPv4 address that a socket of both families spells as IPv6 is told as IPv4. Read from the
    right: what stands further left was written by the caller.
    """
    address = peer
    for hop in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        if not _is_trusted(address, trusted):
            break
        if _parse(hop) is None:
            break
        address = hop
    found = _parse(address)
    return "" if found is None else str(found)


def _is_trusted(address: str, trusted: tuple[str, ...]) -> bool:
    found = _parse(address)
    return found is not None and any(found in network for network in _networks(trusted))


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in trusted)
