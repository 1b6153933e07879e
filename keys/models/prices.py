"""What a provider charges, as a site admin says it."""

from typing import NamedTuple

from django.db import models

NANOS = 10**9  # billionths of a US dollar: prices and sums are whole numbers of them


class Price(NamedTuple):
    """The price of the endpoints that match a pattern, in billionths of a US dollar."""

    pattern: str  # a glob over the endpoint, as counts name it
    per_call: int  # that ended well
    per_1k_tokens_in: int
    per_1k_tokens_out: int


class PriceList(models.Model):
    """All prices of one provider; one row, so that they change together."""

    provider = models.SlugField(primary_key=True, max_length=50)
    rows = models.JSONField(default=list)  # of Price

    def __str__(self) -> str:
        return f"prices of {self.provider}"

    @property
    def prices(self) -> list[Price]:
        return [Price(*row) for row in self.rows]
