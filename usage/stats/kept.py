"""What is not kept so finely: a question narrowed by it has no answer to that part."""

from usage.rollups import FAMILIES
from usage.stats.filters import Filter
from usage.stats.spend import PRICED

_WORDS = {"app_key_version": "version", "provider_key_version": "version"}
# What some table tells apart of latencies, and of what has a price.
_TIMED = {name for family in FAMILIES for name in family.latency_dimensions}
_PRICED = {
    name for family in FAMILIES if PRICED.issubset(family.dimensions) for name in family.dimensions
}


def not_kept(f: Filter, by: str = "") -> dict[str, list[str]]:
    """`latency_ms` and `cost_estimate_usd`, each with the filters (and the column `by`) that it is
    not kept by; without those that are kept by all of them."""
    names = f.names | ({by} if by else set())
    told = {"latency_ms": _words(names - _TIMED), "cost_estimate_usd": _words(names - _PRICED)}
    return {part: words for part, words in told.items() if words}


def _words(names: set[str]) -> list[str]:
    return sorted({_WORDS.get(name, name) for name in names})
