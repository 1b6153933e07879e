"""When the doctor looks, and what the last look came to."""

from dataclasses import asdict
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from keys import vault
from keys.doctor.examining import SLACK, Report, examine
from keys.models import VaultExamination

EVERY = timedelta(days=1)
LEASE = timedelta(minutes=30)  # after which an examination that died is taken up by another


def examine_and_note() -> Report:
    """`examine`, its result kept for the pages."""
    report = examine()
    VaultExamination.objects.update_or_create(
        pk=1,
        defaults={
            "finished_at": timezone.now(),
            "opened": report.opened,
            "findings": [asdict(found) for found in report.findings],
            "asked": False,
        },
    )
    return report


def examine_if_due(now: datetime) -> Report | None:
    """The daily examination, by one process: None when it isn't due or another has it."""
    if vault.is_sealed():
        return None
    VaultExamination.objects.get_or_create(pk=1)
    # A time to come was written past Keydeck: nobody puts the doctor off with it.
    fresh = Q(asked=False, finished_at__range=(now - EVERY, now + SLACK))
    due = VaultExamination.objects.filter(pk=1).exclude(fresh)
    if not due.exclude(started_at__range=(now - LEASE, now + SLACK)).update(started_at=now):
        return None
    return examine_and_note()


def ask_for_examination() -> None:
    """Let the worker look at its next chance: whoever starts Keydeck doesn't wait for it."""
    VaultExamination.objects.update_or_create(pk=1, defaults={"asked": True, "started_at": None})


def last_examination() -> VaultExamination | None:
    """The last one that came to its end."""
    return VaultExamination.objects.filter(pk=1, finished_at__isnull=False).first()
