"""What calls cost by the prices that a site admin set: worked out when it is read, so that a
changed price restates history. Whole numbers throughout: thousandths of billionths of a dollar."""

import re
from collections.abc import Iterable
from functools import cache

from keys.models import Price, PriceList
from usage.events import Outcome

MILLI = 1000  # token prices are of 1,000 tokens


class Tariff:
    """The prices of all providers, or of those named, as they are now. One query."""

    def __init__(self, providers: Iterable[str] | None = None) -> None:
        lists = PriceList.objects.exclude(rows=[])
        if providers is not None:
            lists = lists.filter(pk__in=list(providers))
        self._prices = {found.provider: _compiled(found.prices) for found in lists}
        self._known: dict[tuple[str, str], Price | None] = {}

    @property
    def providers(self) -> list[str]:
        """Those with prices."""
        return list(self._prices)

    def price(self, provider: str, endpoint: str) -> Price | None:
        """Of the patterns that match the most specific one's: most characters beside its `*`."""
        place = (provider, endpoint)
        if place not in self._known:
            prices = self._prices.get(provider, ())
            fits = (price for matches, price in prices if matches.fullmatch(endpoint))
            self._known[place] = next(fits, None)
        return self._known[place]


def charge(price: Price, outcome: str, requests: int, tokens_in: int, tokens_out: int) -> int:
    """Thousandths of nanodollars. A call costs where it ended ok, a token wherever it was told."""
    calls = requests * price.per_call * MILLI if outcome == Outcome.OK else 0
    return calls + tokens_in * price.per_1k_tokens_in + tokens_out * price.per_1k_tokens_out


def nanos(millis: int) -> int:
    """Rounded once, at the end of a sum."""
    return (millis + MILLI // 2) // MILLI


def _compiled(prices: Iterable[Price]) -> list[tuple[re.Pattern[str], Price]]:
    ordered = sorted(
        prices, key=lambda price: (price.pattern.count("*") - len(price.pattern), price)
    )
    return [(_pattern(price.pattern), price) for price in ordered]


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, glob.split("*"))), re.DOTALL)
