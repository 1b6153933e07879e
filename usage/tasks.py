"""Periodic work of the ledger, of alerts and of hygiene.

Each run takes what it finds; a lost message costs one tick.
"""

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown
from django.utils import timezone

from usage import comparing, erasing, hygiene, ingest, retention
from usage.alerts import delivering, evaluating, forgetting


@worker_ready.connect
def drain_for_all(**_told: object) -> None:
    """A worker drains the spools of its machine: the processes there that answer calls needn't."""
    ingest.start_drainer(for_all=True)


@worker_shutdown.connect
def stop_draining(**_told: object) -> None:
    ingest.stop_drainer()


@shared_task
def trim_calls() -> None:
    """Lets go of calls and fine counts past their time."""
    retention.trim()


@shared_task
def erase_applications() -> int:
    """Goes on erasing what is recorded of applications that were deleted."""
    return erasing.go_on(timezone.now())


@shared_task
def evaluate_alerts() -> None:
    """Looks whether alert rules hold."""
    evaluating.evaluate_due()


@shared_task
def deliver_alerts() -> None:
    """Carries alerts to their channels."""
    delivering.deliver_due()


@shared_task
def sweep_hygiene() -> None:
    """Looks for what ought to be tidied up about keys."""
    hygiene.sweep()


@shared_task
def forget_alerts() -> None:
    """Lets go of alerts that are long over."""
    forgetting.forget(timezone.now())


@shared_task
def compare_counts() -> None:
    """Looks whether the last whole day's counts were compared with its calls, and does it."""
    comparing.compare_yesterday()
