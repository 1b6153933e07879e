"""The one door out (DESIGN door 3): checked addresses, no redirects, no surroundings, bounded time.

Probes and the wrapper go through `requests`, the gateway through aiohttp; the rules are the same.
"""

from keys.destinations import Blocked, check_host, check_url, proxy_for
from keys.outbound.aio import connector, resolver
from keys.outbound.errors import OutboundError
from keys.outbound.fetching import Reply, fetch
from keys.outbound.pinned import PinnedAdapter

__all__ = [
    "Blocked",
    "OutboundError",
    "PinnedAdapter",
    "Reply",
    "check_host",
    "check_url",
    "connector",
    "fetch",
    "proxy_for",
    "resolver",
]
