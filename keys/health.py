"""Evidence about provider keys becomes their verdict. The only writer of a key's health.

Evidence comes from probes (`record`) and from stored calls (`traffic`); `keys.states.judge`
decides, and when to look again is decided here with it (DESIGN section 7).
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from keys import balances, changes, providers, timeline
from keys.models import ProviderKey, ProviderKeyVersion
from keys.providers import Kind, UnknownProvider
from keys.states import CONFIRM_AFTER, KeyState, Stage, Standing, Verdict, judge

MESSAGE_LIMIT = 200  # characters
CODE_LIMIT = 60
DEAD_EVERY = timedelta(seconds=55)  # a dead key, in its first hour
DEAD_FIRST = timedelta(hours=1)
DEAD_BACK_OFF = 4  # after that: a quarter of the time it has been dead
DEAD_MOST = timedelta(days=1)
# Traffic may clear `limited` only so long after it was seen: a key whose plan lacks one feature
# would flip with every call otherwise.
LIMITED_HOLDS = timedelta(seconds=60)
_REFRESH_PART = 10  # of the interval: how often successes of a live key are written down

MEANINGS: dict[str, Verdict] = {
    Kind.OK: Verdict.LIVE,
    Kind.KEY_INVALID: Verdict.DEAD,
    Kind.KEY_EXHAUSTED: Verdict.EXHAUSTED,
    Kind.KEY_LIMITED: Verdict.LIMITED,
}
_MONEY = ("balance", "currency", "balance_at")
_UNDETERMINED = (Verdict.UNKNOWN, Verdict.UNCHECKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one answer (or its absence) says of one version of a key; redacted already.

    Code and message are clipped here, and freed of what a database refuses.
    """

    meaning: Verdict
    at: datetime
    status: int = 0  # HTTP; 0: no answer
    code: str = ""
    message: str = ""
    latency_ms: float = 0.0
    via: str = "probe"  # or traffic
    version: int = 0
    balance: float | None = None  # what is left to spend, where a probe's answer tells it
    currency: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", self.code.replace("\0", "")[:CODE_LIMIT])
        object.__setattr__(self, "message", self.message.replace("\0", "")[:MESSAGE_LIMIT])

    def as_json(self) -> dict[str, Any]:
        """What the key's row keeps of it."""
        return {
            "meaning": str(self.meaning),
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "latency_ms": round(self.latency_ms, 1),
            "at": self.at.isoformat(),
            "via": self.via,
            "version": self.version,
            "balance": self.balance,
            "currency": self.currency,
            "balance_at": None if self.balance is None else self.at.isoformat(),
        }


def record(key_id: str, evidence: Evidence) -> str | None:
    """Weighs one piece of evidence; returns the new verdict if it moved.

    Evidence of a version that is not current, or older than what the verdict rests on, is
    written to the timeline and changes nothing. A key that is gone is no error.
    """
    with transaction.atomic():
        moved = _weigh(key_id, evidence)
        if moved:
            changes.bump()
    return moved


def traffic(
    key_id: str,
    version: int,
    kind: str,
    status: int,
    code: str,
    message: str,
    at: datetime,
) -> bool:
    """What a stored call says of the key it used; returns whether its verdict moved.

    A success counts as a check. A refusal makes the key suspect and the probe due now: only a
    probe makes it dead. Exhausted and limited move the verdict at once.

    It is told in the caller's transaction, which bumps the change counter itself when it has
    told of every key: the counter is locked last.
    """
    meaning = MEANINGS.get(kind, Verdict.UNKNOWN)
    if meaning in _UNDETERMINED:
        return False
    key = ProviderKey.objects.filter(pk=key_id, state=KeyState.ACTIVE).first()
    if key is None:
        return False
    evidence = Evidence(
        meaning=meaning,
        at=min(at, timezone.now()),  # another machine's clock may run ahead
        status=status,
        code=code,
        message=message,
        via="traffic",
        version=version,
    )
    if meaning is Verdict.DEAD:
        _suspect(key, evidence)
    elif meaning == key.verdict and not key.suspect:
        _refresh(key, evidence)
    elif _may_move(key, evidence):
        return _weigh(key_id, evidence) is not None
    return False


def next_check(standing: Standing, at: datetime, dead_since: datetime | None) -> datetime:
    """When a key of that standing, looked at just now, is looked at again: never later."""
    interval = timedelta(seconds=settings.CHECK_INTERVAL)
    if standing.verdict is Verdict.DEAD:
        age = at - (dead_since or at)
        young = age < DEAD_FIRST
        return at + _jittered(
            min(interval, DEAD_EVERY) if young else min(age / DEAD_BACK_OFF, DEAD_MOST)
        )
    if standing.refused_at is None:
        return at + _jittered(interval)
    confirming = standing.refused_at + CONFIRM_AFTER
    return min(confirming, at + interval) if confirming > at else at + min(interval, DEAD_EVERY)


def _weigh(key_id: str, evidence: Evidence) -> Verdict | None:
    """`record` in the caller's transaction, which has to bump the counter if a verdict moved."""
    key = ProviderKey.objects.select_for_update().filter(pk=key_id).first()
    if key is None:
        return None
    if not _concerns(key, evidence):
        _set_aside(key, evidence)
        return None
    before, after = key.standing, judge(key.standing, evidence.meaning, evidence.at)
    moved = after.verdict if after.verdict != before.verdict else None
    _write_standing(key, before, after, evidence)
    timeline.write(key, evidence, moved or "")
    balances.write(key, evidence)
    return moved


def _jittered(pause: timedelta) -> timedelta:
    return pause * (1 - random.random() / 10)  # noqa: S311 - spreads load, hides nothing


def _concerns(key: ProviderKey, evidence: Evidence) -> bool:
    """Whether the evidence speaks of the current secret, and of a time not yet judged."""
    current = ProviderKeyVersion.objects.filter(key=key, stage=Stage.CURRENT)
    number = current.values_list("number", flat=True).first()
    if evidence.version and number is not None and evidence.version != number:
        return False
    if key.verdict in _UNDETERMINED:
        return True
    return evidence.at >= (_evidence_at(key) or evidence.at)


def _set_aside(key: ProviderKey, evidence: Evidence) -> None:
    """Evidence that comes too late still ends the lease; a new secret stays due at once."""
    fields: dict[str, Any] = {"lease_until": None}
    if _current(key, evidence.version):
        fields["next_check_at"] = _due(key, key.standing, evidence.at)
    ProviderKey.objects.filter(pk=key.pk).update(**fields)
    timeline.write(key, evidence, "")


def forget(key: ProviderKey, now: datetime) -> None:
    """The verdict spoke of another secret: nothing is known of this one, and a check is due.

    In the caller's transaction, after its audit event: this bumps the counter.
    """
    ProviderKey.objects.filter(pk=key.pk).update(
        verdict=Verdict.UNCHECKED,
        verdict_at=now,
        refused_at=None,
        evidence={},
        next_check_at=now,
    )
    changes.bump()


def _evidence_at(key: ProviderKey) -> datetime | None:
    text = key.evidence.get("at", "")
    return parse_datetime(text) if text else None


def _write_standing(
    key: ProviderKey, before: Standing, after: Standing, evidence: Evidence
) -> None:
    key.verdict = after.verdict
    key.refused_at = after.refused_at
    if after.verdict != before.verdict or key.verdict_at is None:
        key.verdict_at = evidence.at
    # An outage must not hide what the verdict rests on: undetermined evidence only ages it.
    if evidence.meaning not in _UNDETERMINED or key.verdict in _UNDETERMINED:
        key.evidence = _kept(key, evidence)
        key.checked_at = evidence.at
    key.next_check_at = _due(key, after, evidence.at)
    key.lease_until = None
    key.save(
        update_fields=[
            "verdict",
            "verdict_at",
            "refused_at",
            "evidence",
            "checked_at",
            "next_check_at",
            "lease_until",
        ]
    )


def _kept(key: ProviderKey, evidence: Evidence) -> dict[str, Any]:
    """What the row keeps: calls and refusals tell no balance, so this secret's last one stays."""
    asked = evidence.via == "probe" and evidence.meaning is Verdict.LIVE
    if asked or key.evidence.get("version") != evidence.version:
        return evidence.as_json()
    last = {name: key.evidence[name] for name in _MONEY if name in key.evidence}
    return evidence.as_json() | last


def _due(key: ProviderKey, standing: Standing, at: datetime) -> datetime | None:
    if key.state == KeyState.REVOKED or not checkable(key.provider):
        return None
    return next_check(standing, at, key.verdict_at)


def checkable(slug: str) -> bool:
    """Whether the provider has a free request to check a key with."""
    try:
        return providers.get(slug).probe is not None
    except UnknownProvider:
        return False


def _current(key: ProviderKey, version: int) -> bool:
    rows = ProviderKeyVersion.objects.filter(key=key, number=version, stage=Stage.CURRENT)
    return rows.exists()


def _suspect(key: ProviderKey, evidence: Evidence) -> None:
    if key.verdict == Verdict.DEAD or key.refused_at or not _current(key, evidence.version):
        return
    seen = _evidence_at(key)
    if seen and evidence.at < seen and key.verdict not in _UNDETERMINED:
        return
    fields: dict[str, Any] = {"refused_at": evidence.at}
    if checkable(key.provider):
        fields["next_check_at"] = timezone.now()
    same = ProviderKey.objects.filter(pk=key.pk, refused_at=None, checked_at=key.checked_at)
    if same.update(**fields):
        timeline.write(key, evidence, "")


def _refresh(key: ProviderKey, evidence: Evidence) -> None:
    """The verdict stands, on newer evidence: the probe can wait."""
    interval = timedelta(seconds=settings.CHECK_INTERVAL)
    if key.checked_at and evidence.at - key.checked_at < interval / _REFRESH_PART:
        return
    if not _current(key, evidence.version):
        return
    fields: dict[str, Any] = {"checked_at": evidence.at, "evidence": _kept(key, evidence)}
    if evidence.meaning is Verdict.LIVE and key.next_check_at:
        fields["next_check_at"] = max(key.next_check_at, evidence.at + _jittered(interval))
    same = ProviderKey.objects.filter(
        pk=key.pk, verdict=key.verdict, refused_at=None, checked_at=key.checked_at
    )
    same.update(**fields)


def _may_move(key: ProviderKey, evidence: Evidence) -> bool:
    if not _current(key, evidence.version):
        return False
    if key.verdict == Verdict.LIMITED and evidence.meaning is Verdict.LIVE and not key.suspect:
        return evidence.at >= (_evidence_at(key) or evidence.at) + LIMITED_HOLDS
    return True
