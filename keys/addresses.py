"""The caller's network address; a forwarded one is believed of trusted proxies alone."""

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings

MOST_HOPS = 50  # of a forwarding chain that are looked at

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def request_address(meta: Mapping[str, Any]) -> str:
    """The address of a Django request's sender, from request.META."""
    peer = str(meta.get("REMOTE_ADDR", ""))
    return client_address(peer, str(meta.get("HTTP_X_FORWARDED_FOR", "")), settings.TRUSTED_PROXIES)


def client_address(peer: str, forwarded: str, trusted: Sequence[str]) -> str:
    """The last address of the forwarding chain that isn't a trusted proxy's ("" if none is valid).

    An IPv4 address that a socket of both families spells as IPv6 is told as IPv4. Read from the
    right: what stands further left was written by the caller.
    """
    known = tuple(trusted)
    if not forwarded or not _is_trusted(peer, known):
        return _spelled(peer)
    address = peer
    for hop in reversed(forwarded.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
        hop = hop.strip()
        if not hop:
            continue
        if not _is_trusted(address, known) or _parse(hop) is None:
            break
        address = hop
    return _spelled(address)


# Only addresses get here: of sockets, and of headers what reads as one.
@lru_cache(maxsize=4096)
def _is_trusted(address: str, trusted: tuple[str, ...]) -> bool:
    found = _parse(address)
    return found is not None and any(found in network for network in _networks(trusted))


@lru_cache(maxsize=4096)
def _spelled(address: str) -> str:
    found = _parse(address)
    return "" if found is None else str(found)


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in trusted)
