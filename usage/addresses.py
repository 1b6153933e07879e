"""What is kept of a caller's network address: applied before a call is written anywhere."""

import hashlib
import hmac
from functools import lru_cache

from django.conf import settings

from keys.derived import derived_key
from usage.ingest import network_of

_DIGITS = 16  # of a hash: 64 bits tell any number of callers apart


def recorded(address: str) -> str:
    """The address as KEYDECK_CALLER_ADDRESS has it: full, truncated to its network, or hashed."""
    how = settings.CALLER_ADDRESS
    if how == "full" or not address:
        return address
    return network_of(address) if how == "truncated" else _hashed(address, settings.SECRET_KEY)


@lru_cache(maxsize=4096)
def _hashed(address: str, _: str) -> str:
    key = derived_key("caller addresses")
    return "hash-" + hmac.digest(key, address.encode(), hashlib.sha256).hex()[:_DIGITS]
