"""What a provider's balance fell by, beside what was counted here.

What fell more than was counted was spent by somebody who uses the secret past Keydeck. Between
two points whose balance rose somebody paid in, and what was spent meanwhile can't be told:
neither the rise nor our count of that time is compared.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from keys.models import Balance
from usage.periods import Step, floor, kept_since
from usage.rollups import Family, family_for
from usage.stats.filters import Filter
from usage.stats.prices import Tariff
from usage.stats.reading import Part, parts, sums
from usage.stats.spend import Bill

COMPARED = "USD"  # what is counted here is in dollars
MOST_POINTS = 200  # of a series; nearer ones are told as one
# A balance is rounded and told late, and calls on the way are counted when they began.
SLACK_NANOS = 10_000_000  # one cent
SLACK_SHARE = 0.02  # of what was counted
LEAST_TIME = timedelta(hours=1)  # that a rate of spending is worked out from


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The balance at one moment, and what came of it since the point before."""

    at: datetime
    nanos: int
    fell: int = 0
    rose: int = 0  # paid in, or another secret's account
    counted: int = 0  # spent through Keydeck in the time that `fell` is of
    unexplained: int = 0  # fell - counted, summed since the first point


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """A series of balances, in billionths of the currency's unit. Empty where none was told."""

    currency: str = ""
    points: list[Told] = field(default_factory=list)
    compared: bool = False  # whether our count is of the same currency
    unpriced: int = 0  # calls that ended ok and of whose cost nothing is known

    @property
    def last(self) -> Told | None:
        return self.points[-1] if self.points else None

    @property
    def fell(self) -> int:
        return sum(point.fell for point in self.points)

    @property
    def rose(self) -> int:
        return sum(point.rose for point in self.points)

    @property
    def counted(self) -> int:
        return sum(point.counted for point in self.points)

    @property
    def unexplained(self) -> int:
        return self.points[-1].unexplained if self.points else 0

    @property
    def outside(self) -> bool:
        """Whether so much fell uncounted that somebody uses the secret past Keydeck."""
        slack = max(SLACK_NANOS, int(self.counted * SLACK_SHARE))
        return self.compared and not self.unpriced and self.unexplained > slack

    @property
    def per_day(self) -> int:
        """What it falls by in a day, at the rate of the whole series; 0 where none is known."""
        if len(self.points) < 2:
            return 0
        time = self.points[-1].at - self.points[0].at
        return int(self.fell * (timedelta(days=1) / time)) if time >= LEAST_TIME else 0

    @property
    def empty_at(self) -> datetime | None:
        """When nothing is left, at that rate; None where it doesn't fall."""
        if not self.per_day or self.points[-1].nanos <= 0:
            return None
        days = self.points[-1].nanos / self.per_day
        return self.points[-1].at + timedelta(days=days) if days < 3650 else None


def reconcile(
    key_id: str,
    counted_with: Sequence[str],
    since: datetime,
    until: datetime,
    now: datetime | None = None,
) -> Reconciliation:
    """The balances told of a key in a range, and the spend of the keys `counted_with`.

    Those are the key itself and all that hold the same secret. Three queries.
    """
    now = now or timezone.now()
    rows = list(
        Balance.objects.filter(key=key_id, at__gte=since, at__lt=until)
        .order_by("at")
        .values_list("at", "version", "nanos", "currency")
    )
    if not rows:
        return Reconciliation()
    currency = rows[-1][3]
    rows = [row for row in rows if row[3] == currency]
    compared = currency == COMPARED
    moments = [at for at, *_ in rows]
    counted, unpriced = _counted(counted_with, moments, now) if compared else (Counter[int](), 0)
    points = [Told(at=moments[0], nanos=rows[0][2])]
    for place in range(1, len(rows)):
        points.append(_next(points[-1], rows[place - 1], rows[place], counted[place]))
    return Reconciliation(
        currency=currency, points=_thinned(points), compared=compared, unpriced=unpriced
    )


_Row = tuple[datetime, int, int, str]


def _next(last: Told, before: _Row, row: _Row, counted: int) -> Told:
    moved = row[2] - before[2]
    if moved > 0 or row[1] != before[1]:
        return Told(at=row[0], nanos=row[2], rose=max(moved, 0), unexplained=last.unexplained)
    return Told(
        at=row[0],
        nanos=row[2],
        fell=-moved,
        counted=counted,
        unexplained=last.unexplained - moved - counted,
    )


def _counted(
    keys: Sequence[str], moments: list[datetime], now: datetime
) -> tuple[Counter[int], int]:
    """Nanodollars spent before each moment and after the one before, by the moment's place; and
    how many calls have no price.

    A minute, or an hour where minutes are no longer kept, goes whole to the moment that follows
    its beginning: rather counted early than late, which would look like use past Keydeck.
    """
    family = family_for({"provider", "provider_key", "endpoint", "outcome"})
    tariff = Tariff()
    bills: defaultdict[int, Bill] = defaultdict(lambda: Bill(tariff))
    told = _finest(family, moments[0], moments[-1], now)
    among = {"provider_key__in": list(keys)}
    for seconds, *priced in sums(family, told, among, "at", "provider", "endpoint", "outcome"):
        place = bisect_right(moments, datetime.fromtimestamp(seconds, UTC))
        bills[min(max(place, 1), len(moments) - 1)].add(*priced)
    spends = {place: bill.result() for place, bill in bills.items()}
    counted = Counter({place: spend.likely for place, spend in spends.items()})
    return counted, sum(spend.unpriced for spend in spends.values())


def _finest(family: Family, since: datetime, until: datetime, now: datetime) -> list[Part]:
    """Minutes as far back as they are kept, hours before."""
    since = floor(since, Step.MINUTE)
    minutes = max(kept_since(Step.MINUTE, now) or since, since)
    told: list[Part] = []
    if since < minutes:
        told += parts(Filter(since=since, until=min(minutes, until)), family, now, Step.HOUR)
    if minutes < until:
        told += parts(Filter(since=minutes, until=until), family, now, Step.MINUTE)
    return told


def _thinned(points: list[Told]) -> list[Told]:
    """Neighbours told as one, so that a chart has no more than it can show."""
    size = -(-len(points) // MOST_POINTS)
    if size <= 1:
        return points
    rest = points[1:]
    groups = [rest[start : start + size] for start in range(0, len(rest), size)]
    return [points[0]] + [
        Told(
            at=group[-1].at,
            nanos=group[-1].nanos,
            fell=sum(point.fell for point in group),
            rose=sum(point.rose for point in group),
            counted=sum(point.counted for point in group),
            unexplained=group[-1].unexplained,
        )
        for group in groups
    ]
