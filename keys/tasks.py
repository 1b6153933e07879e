"""Wakes the periodic work of keys. What is due lives in rows (DESIGN decision 14)."""

from celery import shared_task
from django.utils import timezone

from keys import doctor, lifecycle, sweeping, watching
from keys.audit import Actor
from keys.sign_in import sessions


@shared_task
def check_due() -> int:
    """Checks the provider keys that are due."""
    return sweeping.check_due()


@shared_task
def watch_due() -> int:
    """Looks whether providers still take secrets that were ended here."""
    return watching.watch_due()


@shared_task
def end_overlaps() -> int:
    """Retires the previous versions whose overlap has ended."""
    return lifecycle.end_overlaps(timezone.now())


@shared_task
def rotate_data_keys() -> None:
    """Goes on with the data-key rotations that are open, and destroys what they left."""
    lifecycle.go_on(Actor.system("rotate_data_keys"))
    lifecycle.destroy_spent_data_keys(timezone.now())


@shared_task
def examine_vault() -> None:
    """Looks whether the day's opening of every secret is due, and does it."""
    doctor.examine_if_due(timezone.now())


@shared_task
def forget_sessions() -> int:
    """Removes the sessions whose time is over."""
    return sessions.forget_expired(timezone.now())


@shared_task
def expire_app_keys() -> int:
    """Expires the app keys whose time has come."""
    return lifecycle.expire_app_keys(timezone.now())


@shared_task
def run_batches() -> int:
    """Goes on with the acts on many keys that are open."""
    return lifecycle.run_batches(seconds=5)
