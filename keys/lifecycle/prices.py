"""What providers charge: said by a site admin, for estimates of what calls cost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from keys import providers
from keys.audit import Action, Actor
from keys.lifecycle.errors import Conflict, Invalid
from keys.lifecycle.inputs import clean_endpoint
from keys.lifecycle.journal import note
from keys.models import NANOS, Price, PriceList
from keys.providers import UnknownProvider

MOST_PRICES = 100  # of one provider
DEAREST = Decimal(1_000_000)  # dollars


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceGiven:
    """US dollars; at most nine places."""

    pattern: str
    per_call: Decimal = Decimal(0)
    per_1k_tokens_in: Decimal = Decimal(0)
    per_1k_tokens_out: Decimal = Decimal(0)


def prices_of(provider: str) -> list[PriceGiven]:
    """What is said of one provider, in the order of the patterns."""
    found = PriceList.objects.filter(pk=provider).first()
    return [_given(price) for price in found.prices] if found else []


def set_prices(actor: Actor, provider: str, prices: Sequence[PriceGiven]) -> None:
    """These instead of all that were said of the provider.

    Raises Invalid with the field named as `prices.<index>.<name>`, and Conflict for no provider.
    """
    rows = _cleaned(prices)
    try:
        providers.get(provider)
    except UnknownProvider:
        raise Conflict("There is no such provider.") from None
    with transaction.atomic():
        PriceList.objects.get_or_create(pk=provider)
        held = PriceList.objects.select_for_update().get(pk=provider)
        was = held.prices
        if was == rows:
            return
        held.rows = rows
        held.save(update_fields=["rows"])
        target = f"provider:{provider}"
        note(actor, Action.PRICES_CHANGED, target, was=_told(was), now=_told(rows))


def _cleaned(prices: Sequence[PriceGiven]) -> list[Price]:
    if len(prices) > MOST_PRICES:
        raise Invalid("prices", f"At most {MOST_PRICES} prices.")
    rows: dict[str, Price] = {}
    for index, price in enumerate(prices):
        pattern = clean_endpoint(price.pattern.strip(), f"prices.{index}.pattern")
        if pattern in rows:
            raise Invalid(f"prices.{index}.pattern", f"{pattern} is there twice.")
        amounts = {
            name: _nanos(getattr(price, name), f"prices.{index}.{name}")
            for name in Price._fields[1:]
        }
        rows[pattern] = Price(pattern, **amounts)
    return sorted(rows.values())


def _nanos(dollars: Decimal, field: str) -> int:
    if not dollars.is_finite() or not 0 <= dollars <= DEAREST:
        raise Invalid(field, f"A price is 0 to {DEAREST:,} US dollars.")
    nanos = dollars * NANOS
    if nanos != int(nanos):
        raise Invalid(field, "A price has at most nine decimal places.")
    return int(nanos)


def _given(price: Price) -> PriceGiven:
    amounts = {name: Decimal(getattr(price, name)) / NANOS for name in Price._fields[1:]}
    return PriceGiven(pattern=price.pattern, **amounts)


def _told(prices: Iterable[Price]) -> list[str]:
    """For the audit trail, as people write it: /v1/chat* $0.01/$0/$0.03."""
    return [
        " ".join([price.pattern, "/".join(f"${_plain(nanos)}" for nanos in price[1:])])
        for price in prices
    ]


def _plain(nanos: int) -> str:
    return f"{(Decimal(nanos) / NANOS).normalize():f}"
