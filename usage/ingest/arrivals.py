"""Tells those who follow calls live which were stored, in the transaction that stored them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import F

from usage.ingest.kinds import Row
from usage.models import Arrival, ArrivalHead

KEPT = timedelta(minutes=10)  # a reader that was away for longer is told that it missed some
EVERY = 100  # arrivals between two looks at what is older


def announce(rows: Sequence[Row], now: datetime) -> None:
    """Notes these calls as the newest arrival. Must be last in its transaction.

    From here to the commit no other arrival gets a number: they become visible in their order.
    """
    if not rows:
        return
    number = _next_number()
    starts = [row[1] for row in rows]
    Arrival.objects.create(
        number=number,
        at=now,
        earliest=_time(min(starts)),
        latest=_time(max(starts)),
        ids=bytes.fromhex("".join([row[0] for row in rows]).replace("-", "")),
    )
    if number % EVERY == 0:
        Arrival.objects.filter(at__lt=now - KEPT).delete()


def _next_number() -> int:
    head = ArrivalHead.objects.filter(pk=1)
    if not head.update(number=F("number") + 1):
        ArrivalHead.objects.get_or_create(pk=1)
        head.update(number=F("number") + 1)
    return head.values_list("number", flat=True)[0]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
