"""The one door out (DESIGN door 3): checked addresses, no redirects, no surroundings, bounded time.

Probes and the wrapper go through `requests`, the gateway through aiohttp; the rules are the same.
"""

from keys.outbound.aio import connector, resolver
from keys.outbound.errors import Blocked, OutboundError
from keys.outbound.fetching import Reply, fetch
from keys.outbound.pinned import PinnedAdapter
from keys.outbound.rules import check_host, check_url, is_allowed, proxy_for

__all__ = [
    "Blocked",
    "OutboundError",
    "PinnedAdapter",
    "Reply",
    "check_host",
    "check_url",
    "connector",
    "fetch",
    "is_allowed",
    "proxy_for",
    "resolver",
]
