"""The one door out (DESIGN door 3): checked addresses, no redirects, no surroundings, bounded time.

The wrapper and webhooks go through `requests` (calls over a connection that is kept: `kept`),
probes and the gateway over lines of our own, dialled by aiohttp; the rules are the same.
"""

from keys.destinations import Blocked, check_host, check_url, proxy_for
from keys.outbound.aio import connector, resolver
from keys.outbound.asking import Client, ask, client
from keys.outbound.errors import OutboundError
from keys.outbound.fetching import Reply, fetch
from keys.outbound.pinned import PinnedAdapter

__all__ = [
    "Blocked",
    "Client",
    "OutboundError",
    "PinnedAdapter",
    "Reply",
    "ask",
    "check_host",
    "check_url",
    "client",
    "connector",
    "fetch",
    "proxy_for",
    "resolver",
]
