"""How many free requests were sent to each provider. None of them costs credits."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import F, Sum
from django.utils import timezone

from keys.models import ProbeCount

KEPT = timedelta(days=400)


def add(slugs: Iterable[str]) -> None:
    """Counts one probe for each of these, today."""
    day = timezone.now().date()
    for slug, probes in sorted(Counter(slugs).items()):
        rows = ProbeCount.objects.filter(provider=slug, day=day)
        if not rows.update(probes=F("probes") + probes):
            _, made = ProbeCount.objects.get_or_create(
                provider=slug, day=day, defaults={"probes": probes}
            )
            if made:
                ProbeCount.objects.filter(provider=slug, day__lt=day - KEPT).delete()
            else:
                rows.update(probes=F("probes") + probes)


def sent(days: int = 7) -> dict[str, int]:
    """Probes of the last days, today's too, by provider."""
    since = timezone.now().date() - timedelta(days=days - 1)
    rows = ProbeCount.objects.filter(day__gte=since).values_list("provider")
    return dict(rows.annotate(total=Sum("probes")).order_by())
