"""Secrets that were ended here, watched until their provider refuses them too.

Revoking a key here revokes nothing at the provider: whoever has the secret can go on using it
there. What is due are rows, and looking costs no credits.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from keys import timeline, validation, vault
from keys.evidence import Evidence
from keys.models import ProviderKey, ProviderKeyVersion
from keys.states import CONFIRM_AFTER, Verdict

LEASE = timedelta(seconds=60)
BACK_OFF = 4  # a secret that stays live is looked at after a quarter of the time since it ended
LONGEST = timedelta(days=1)
_DETERMINED = (Verdict.LIVE, Verdict.LIMITED, Verdict.EXHAUSTED, Verdict.DEAD)


def watch(key: ProviderKey, numbers: list[int], now: datetime) -> None:
    """Begin to watch these versions of a key; in the caller's transaction, which holds the key."""
    rows = ProviderKeyVersion.objects.filter(key=key, number__in=numbers)
    rows.update(watch_at=now, live_at_provider=None)
    _sum_up(key)


def watch_due(now: datetime | None = None, limit: int = 20) -> int:
    """Look at the versions that are due, each by one worker; returns how many."""
    if vault.is_sealed():
        return 0
    moment = now or timezone.now()
    due = ProviderKeyVersion.objects.filter(watch_at__lte=moment).select_related("key")
    claimed = [row for row in due.order_by("watch_at")[:limit] if _claim(row, moment)]
    for row, evidence in validation.probe_versions(claimed):
        _settle(row, evidence)
    return len(claimed)


def look_now(key: ProviderKey) -> None:
    """Look at what is watched of one key, on somebody's wish. Raises Sealed."""
    rows = ProviderKeyVersion.objects.filter(key=key, watch_at__isnull=False).select_related("key")
    now = timezone.now()
    for row, evidence in validation.probe_versions([row for row in rows if _claim(row, now)]):
        _settle(row, evidence)


def _claim(row: ProviderKeyVersion, now: datetime) -> bool:
    mine = ProviderKeyVersion.objects.filter(pk=row.pk, watch_at=row.watch_at)
    return mine.update(watch_at=now + LEASE) == 1


def _settle(row: ProviderKeyVersion, evidence: Evidence | None) -> None:
    """What one look says; None: there is nothing to look with."""
    with transaction.atomic():
        key = ProviderKey.objects.select_for_update().filter(pk=row.key_id).first()
        if key is None:
            return
        version = ProviderKeyVersion.objects.get(pk=row.pk)
        if evidence is None:
            version.watch_at = None
        else:
            timeline.write([timeline.line(key, evidence, why="a secret that was ended here")])
            version.watch_at = _next(version, evidence)
            if evidence.meaning in _DETERMINED:
                version.live_at_provider = evidence.meaning is not Verdict.DEAD
        version.save(update_fields=["watch_at", "live_at_provider"])
        _sum_up(key)


def _next(version: ProviderKeyVersion, evidence: Evidence) -> datetime | None:
    if evidence.meaning is Verdict.DEAD:
        refused_before = version.live_at_provider is False
        return None if refused_before else evidence.at + CONFIRM_AFTER
    interval = timedelta(seconds=settings.CHECK_INTERVAL)
    ended = version.retired_at or version.promoted_at or version.created_at
    return evidence.at + min(max(interval, (evidence.at - ended) / BACK_OFF), LONGEST)


def _sum_up(key: ProviderKey) -> None:
    """True while one is known to be live, False when all were refused, else unknown."""
    looks = ProviderKeyVersion.objects.filter(key=key).exclude(watch_at=None, live_at_provider=None)
    found = set(looks.values_list("live_at_provider", flat=True))
    live = True if True in found else None if None in found or not found else False
    ProviderKey.objects.filter(pk=key.pk).update(live_at_provider=live)
