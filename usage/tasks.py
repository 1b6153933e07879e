"""Periodic work of the ledger. Each run takes what it finds; a lost message costs one tick."""

from celery import shared_task
from django.utils import timezone

from usage import erasing, ingest, retention


@shared_task
def drain_dead_spools() -> None:
    """Stores the calls that dead processes left in their spools."""
    ingest.drain_dead()


@shared_task
def trim_calls() -> None:
    """Lets go of calls and fine counts past their time."""
    retention.trim()


@shared_task
def erase_applications() -> int:
    """Goes on erasing what is recorded of applications that were deleted."""
    return erasing.go_on(timezone.now())
