"""What calls cost: as providers reported it, and as the prices set here make it."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from usage.events import Outcome, dollars
from usage.rollups import family_for
from usage.stats.filters import Filter
from usage.stats.prices import Tariff, charge, nanos
from usage.stats.reading import apart, parts, sums

_BY = ("provider", "endpoint", "outcome")  # what a price depends on
PRICED = set(_BY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """Billionths of a US dollar.

    `likely` takes what was reported where it was, and the estimate elsewhere. `unpriced` are calls
    that ended ok at an endpoint without a price, and whose provider reported nothing.
    """

    reported: int = 0
    estimate: int | None = None  # None where no price holds
    likely: int = 0
    unpriced: int = 0

    @property
    def reported_usd(self) -> float | None:
        return dollars(self.reported)

    @property
    def estimate_usd(self) -> float | None:
        return None if self.estimate is None else self.estimate / 10**9

    @property
    def is_estimated(self) -> bool:
        """Whether a part of `likely` is by our prices, not as reported."""
        return self.likely != self.reported

    @property
    def likely_usd(self) -> float:
        return self.likely / 10**9


class Bill:
    """Adds rows of counts up: by endpoint and outcome, or finer."""

    def __init__(self, tariff: Tariff) -> None:
        self._tariff = tariff
        self._reported = self._estimate = self._likely = self._unpriced = 0
        self._priced = False

    def add(self, provider: str, endpoint: str, outcome: str, *sums: int) -> None:
        requests, *_, tokens_in, tokens_out, reported = sums
        price = self._tariff.price(provider, endpoint)
        charged = 0
        if price is not None:
            self._priced = True
            charged = charge(price, outcome, requests, tokens_in, tokens_out)
        elif not reported and outcome == Outcome.OK:
            self._unpriced += requests
        self._reported += reported
        self._estimate += charged
        self._likely += reported * 1000 or charged

    def result(self) -> Spend:
        return Spend(
            reported=self._reported,
            estimate=nanos(self._estimate) if self._priced else None,
            likely=nanos(self._likely),
            unpriced=self._unpriced,
        )


def spend(f: Filter, now: datetime | None = None, *, priced_only: bool = False) -> Spend:
    """Of the range. Two queries, or one where `priced_only` and there are no prices at all.

    Raises Unanswerable for versions and callers, which are not counted by endpoint.
    """
    family = family_for(f.names | PRICED)
    tariff = Tariff([f.provider] if f.provider else None)
    if priced_only and not tariff.providers:
        return Spend()
    bill = Bill(tariff)
    told = apart(parts(f, family, now or timezone.now()))
    for _, *priced in sums(family, told, f.ends, "at", *_BY):
        bill.add(*priced)
    return bill.result()


def spend_by(
    f: Filter, by: str, values: Collection[str] | None = None, now: datetime | None = None
) -> dict[str, Spend]:
    """The same for each value of a dimension, or for those named. Raises Unanswerable."""
    tariff = Tariff()
    bills: defaultdict[str, Bill] = defaultdict(lambda: Bill(tariff))
    family = family_for(f.names | PRICED | {by})
    more = {} if values is None else {f"{by}__in": list(values)}
    told = apart(parts(f, family, now or timezone.now()))
    for _, value, *priced in sums(family, told, f.ends | more, "at", by, *_BY):
        bills[str(value)].add(*priced)
    return {value: bill.result() for value, bill in bills.items()}
