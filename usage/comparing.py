"""The daily check that counts are what the calls add up to; its findings are kept."""

from datetime import date, datetime

from django.db import transaction
from django.utils import timezone

from keys.audit import Action, Actor, record
from usage.models import Call, Comparison, Erasure
from usage.periods import Step, floor
from usage.rollups import compare
from usage.rollups.recount import NotKept

SETTLED = Step.HOUR.length * 3  # after midnight: what the spools of a day held is stored


def compare_yesterday(now: datetime | None = None) -> Comparison | None:
    """Compares the last whole day, unless that is done or its calls are gone; what was found.

    While an application is being erased some of its calls are gone and their counts aren't yet,
    or the other way round: the day waits for that.
    """
    now = now or timezone.now()
    until = floor(now - SETTLED, Step.DAY)
    day = until - Step.DAY.length
    if Comparison.objects.filter(pk=day.date()).exists():
        return None
    if Erasure.objects.filter(finished_at=None).exists():
        return None
    differences, first = 0, ""
    try:
        for difference in compare(day, until, now):
            first = first or (
                f"{difference.table} {'/'.join(map(str, difference.key))}: "
                f"stored {difference.stored}, calls add up to {difference.raw}"
            )
            differences += 1
    except NotKept:
        return None
    found, _ = Comparison.objects.update_or_create(
        pk=day.date(),
        defaults={
            "checked_at": now,
            "calls": Call.objects.filter(started_at__gte=day, started_at__lt=until).count(),
            "differences": differences,
            "first": first,
        },
    )
    return found


def acknowledge(actor: Actor, day: date) -> bool:
    """A day's differences are known and told no more; False where it has none that are told."""
    with transaction.atomic():
        told = Comparison.objects.filter(pk=day, differences__gt=0, acknowledged_at=None)
        if not told.update(acknowledged_at=timezone.now()):
            return False
        record(actor, Action.DIFFERENCES_ACKNOWLEDGED, f"comparison:{day}")
    return True
