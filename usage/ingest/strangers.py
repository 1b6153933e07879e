"""Calls without a key or with an unknown one: a count per network and hour, bounded in memory."""

import threading
from collections import Counter
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network

from django.db import transaction
from django.utils import timezone

from usage.bulk import add
from usage.models import StrangerCount
from usage.periods import Step, floor

NETWORKS = 5000  # told apart per process and hour; all further ones are counted as "other"

_counts: Counter[tuple[datetime, str, str]] = Counter()
_known: set[str] = set()
_hour: datetime | None = None
_guard = threading.Lock()


def count_stranger(address: str, code: str, n: int = 1) -> None:
    """Counts refused calls of an address that no application is answerable for."""
    global _hour
    hour = floor(timezone.now(), Step.HOUR)
    with _guard:
        if hour != _hour:
            _hour = hour
            _known.clear()
        network = network_of(address)
        if network not in _known:
            if len(_known) >= NETWORKS:
                network = "other"
            else:
                _known.add(network)
        _counts[(hour, network, code[:20])] += n


def flush_strangers() -> int:
    """Adds what was counted to the database; returns how many calls. Keeps it on an error."""
    with _guard:
        taken = dict(_counts)
        _counts.clear()
    if not taken:
        return 0
    try:
        with transaction.atomic():  # all or none: what is kept for the next try is not in yet
            add(StrangerCount, ("at", "network", "code"), ("requests",), _rows(taken))
    except BaseException:
        with _guard:
            _counts.update(taken)
        raise
    return sum(taken.values())


def _rows(counts: dict[tuple[datetime, str, str], int]) -> list[tuple[object, ...]]:
    return [(*key, requests) for key, requests in counts.items()]


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The /24 or /48 an address belongs to; "other" for what is no address."""
    try:
        parsed = ip_address(address.partition("/")[0].partition("%")[0])
    except ValueError:
        return "other"
    mapped = getattr(parsed, "ipv4_mapped", None)
    parsed = mapped or parsed
    prefix = 24 if parsed.version == 4 else 48
    return str(ip_network(f"{parsed}/{prefix}", strict=False))
