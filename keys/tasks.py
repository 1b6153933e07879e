"""Wakes the periodic work of keys. What is due lives in rows (DESIGN decision 14)."""

from celery import shared_task
from django.utils import timezone

from keys import lifecycle, validation


@shared_task
def check_due() -> int:
    """Checks the provider keys that are due."""
    return validation.check_due()


@shared_task
def end_overlaps() -> int:
    """Retires the previous versions whose overlap has ended."""
    return lifecycle.end_overlaps(timezone.now())


@shared_task
def expire_app_keys() -> int:
    """Expires the app keys whose time has come."""
    return lifecycle.expire_app_keys(timezone.now())
