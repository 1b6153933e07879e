"""REST for a provider key's balance, beside what was counted."""

from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from pydantic import BaseModel, Field

from keys import lifecycle, permissions
from keys.api.auth import READ
from keys.states import WORKING
from usage import stats
from usage.api.filters import Range

router = Router(tags=["provider keys"])


class BalancePoint(BaseModel):
    """The balance when a check asked, and what came of it since the point before."""

    at: datetime
    balance: float
    fell: float
    rose: float = Field(description="paid in; nothing of such a time is compared")
    counted: float | None = Field(description="spent through Keydeck in the time of `fell`")
    unexplained: float | None = Field(description="fell - counted, summed up to here")


class BalanceOut(BaseModel):
    """Amounts in the currency that the provider told. What is counted are dollars: in another
    currency nothing is compared. Spend is what the provider reported of calls, or else the estimate
    by the prices set here."""

    currency: str
    points: list[BalancePoint]
    fell: float
    rose: float
    counted: float | None
    unexplained: float | None
    requests_without_price: int
    outside: bool = Field(description="so much fell uncounted that the secret is used elsewhere")
    per_day: float
    empty_at: datetime | None = Field(description="when nothing is left, at the range's rate")
    keys_of_the_secret: int = Field(description="whose spend is counted together; this key is one")


@router.get(
    "/{slug:slug}/provider-keys/{slug:key_id}/balance",
    auth=READ,
    response=BalanceOut,
    operation_id="provider_key_balance",
)
def balance(request: HttpRequest, slug: str, key_id: str, query: Query[Range]) -> BalanceOut:
    """The balances that checks were told, kept for 90 days, and whether our count explains them."""
    key = permissions.get_provider_key(request.user, slug, key_id)
    keys = [key.pk, *(other.pk for other in lifecycle.same_secret(key, WORKING, WORKING))]
    since, until = query.range()
    found = stats.reconcile(key.pk, keys, since, until, timezone.now())
    return BalanceOut(
        currency=found.currency,
        points=[_point(point, found.compared) for point in found.points],
        fell=_units(found.fell),
        rose=_units(found.rose),
        counted=_units(found.counted) if found.compared else None,
        unexplained=_units(found.unexplained) if found.compared else None,
        requests_without_price=found.unpriced,
        outside=found.outside,
        per_day=_units(found.per_day),
        empty_at=found.empty_at,
        keys_of_the_secret=len(keys),
    )


def _point(point: stats.Told, compared: bool) -> BalancePoint:
    return BalancePoint(
        at=point.at,
        balance=_units(point.nanos),
        fell=_units(point.fell),
        rose=_units(point.rose),
        counted=_units(point.counted) if compared else None,
        unexplained=_units(point.unexplained) if compared else None,
    )


def _units(nanos: int) -> float:
    return nanos / 10**9
