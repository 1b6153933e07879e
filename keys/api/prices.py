"""REST for what providers charge: everybody may look, site admins say it."""

from decimal import Decimal
from typing import Annotated

from django.http import Http404, HttpRequest
from ninja import Router
from pydantic import BaseModel, Field, PlainSerializer

from keys import lifecycle, permissions
from keys.api.auth import MANAGE, READ
from keys.api.fields import Input, Text
from keys.audit import Actor
from keys.lifecycle import PriceGiven
from keys.providers import UnknownProvider, get

router = Router(tags=["providers"])
# A text, as a number in JSON is a float to most readers; taken as a number as well.
Dollars = Annotated[
    Decimal,
    Field(description='US dollars with at most nine places, as a text such as "0.0047"'),
    PlainSerializer(lambda value: f"{value.normalize():f}", return_type=str),
]


class PriceIn(Input):
    """What the endpoints that match a pattern cost."""

    pattern: Text = Field(description="a glob over the upstream path, such as /api/v6/images/*")
    per_call: Dollars = Decimal(0)
    per_1k_tokens_in: Dollars = Decimal(0)
    per_1k_tokens_out: Dollars = Decimal(0)


class PricesIn(Input):
    prices: list[PriceIn]


class PriceOut(BaseModel):
    pattern: str
    per_call: Dollars
    per_1k_tokens_in: Dollars
    per_1k_tokens_out: Dollars


class PricesOut(BaseModel):
    provider: str
    prices: list[PriceOut]


@router.get(
    "/{slug:provider}/prices",
    auth=READ,
    response=PricesOut,
    operation_id="get_prices",
)
def get_prices(request: HttpRequest, provider: str) -> PricesOut:
    """What a site admin said that calls cost: estimates are worked out from it."""
    return _out(_known(provider))


@router.put("/{slug:provider}/prices", auth=MANAGE, response=PricesOut, operation_id="set_prices")
def set_prices(request: HttpRequest, provider: str, body: PricesIn) -> PricesOut:
    """These prices instead of those before, for past calls too.

    Of the patterns that match an endpoint the most specific holds: the one with most characters
    beside its `*`. A call is charged when it ended ok, tokens whenever the provider told them.
    """
    permissions.require_site_admin(request.user)
    prices = [PriceGiven(**dict(price)) for price in body.prices]
    lifecycle.set_prices(Actor.of(request), _known(provider), prices)
    return _out(provider)


def _known(provider: str) -> str:
    try:
        return get(provider).slug
    except UnknownProvider:
        raise Http404("No such provider") from None


def _out(provider: str) -> PricesOut:
    told = [
        PriceOut(
            pattern=price.pattern,
            per_call=price.per_call,
            per_1k_tokens_in=price.per_1k_tokens_in,
            per_1k_tokens_out=price.per_1k_tokens_out,
        )
        for price in lifecycle.prices_of(provider)
    ]
    return PricesOut(provider=provider, prices=told)
