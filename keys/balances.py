"""The balances that probes told of a key, kept as a series. Written by `keys.health` alone."""

from datetime import timedelta

from keys.evidence import Evidence
from keys.models import NANOS, Balance, ProviderKey

EVERY = timedelta(minutes=30)  # an unmoved balance is noted that often
KEPT = timedelta(days=90)  # as long as the counts by hour, which it is compared with, by default


def write(key: ProviderKey, evidence: Evidence) -> None:
    """One point, unless nothing was told or the last point says it; now and then old ones go."""
    if evidence.balance is None or evidence.via != "probe":
        return
    nanos, currency = round(evidence.balance * NANOS), evidence.currency
    last = Balance.objects.filter(key=key).order_by("-at").first()
    same = last and (last.version, last.nanos, last.currency) == (evidence.version, nanos, currency)
    if last and (evidence.at <= last.at or (same and evidence.at - last.at < EVERY)):
        return
    point = Balance.objects.create(
        key=key, version=evidence.version, at=evidence.at, nanos=nanos, currency=currency
    )
    if point.pk % 50 == 0:
        Balance.objects.filter(key=key, at__lt=evidence.at - KEPT).delete()
