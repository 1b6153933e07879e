"""Which pages of other sites may call the gateway from a browser: none, unless the operator says.

A browser asks first, without a key (a preflight), and gives a page only an answer that names the
page's origin. Keydeck answers both for itself: what a provider opens is meant for its own callers.
Never with credentials, so that no cookie of this host counts (DESIGN decision 15).
"""

import re

from keys.models import METHODS
from usage.gateway.asked import Asked
from usage.gateway.errors import denial
from usage.gateway.headers import Pairs
from usage.gateway.terms import terms

KEPT = 7200  # seconds for which a browser need not ask again; the most that Chromium keeps
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z, -]{1,8192}")


def is_preflight(asked: Asked) -> bool:
    """Whether a browser asks for a page. Any other OPTIONS is a call like others."""
    if asked.method != "OPTIONS":
        return False
    return bool(asked.value("origin") and asked.value("access-control-request-method"))


def preflight(asked: Asked) -> Pairs:
    """What a page may send. Raises Denial (origin_not_allowed)."""
    if not _admits(asked.value("origin")):
        raise denial("origin_not_allowed")
    pairs = [
        ("access-control-allow-methods", ", ".join(METHODS)),
        ("access-control-max-age", str(KEPT)),
    ]
    names = asked.value("access-control-request-headers")
    if _NAMES.fullmatch(names):  # an asterisk would leave Authorization out
        pairs.append(("access-control-allow-headers", names))
    return pairs


def shown(asked: Asked) -> Pairs:
    """What lets a page read any answer, errors of ours included."""
    if not terms().cors:
        return []
    pairs = [("vary", "origin")]
    if _admits(origin := asked.value("origin")):
        pairs += [
            ("access-control-allow-origin", origin),
            ("access-control-expose-headers", "*"),
        ]
    return pairs


def _admits(origin: str) -> bool:
    # Browsers write names of hosts in ASCII; what is none can't be said back in a header.
    return bool(origin) and origin.isascii() and not terms().cors.isdisjoint((origin, "*"))
