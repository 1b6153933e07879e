"""Evidence about provider keys becomes their verdict. The only writer of a key's health.

Evidence comes from probes (`record`, `record_many`) and from stored calls (`traffic`);
`keys.states.judge` decides, `keys.pacing` says when to look again, and `keys.incidents` whether
the provider is in trouble, so that nothing it says against a key is believed.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models.functions import Collate
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from keys import balances, changes, incidents, pacing, timeline
from keys.evidence import MEANINGS, UNDETERMINED, Evidence
from keys.models import Check, Incident, ProviderKey, ProviderKeyVersion
from keys.pacing import checkable
from keys.states import KeyState, Stage, Standing, Verdict, judge

# Traffic may clear `limited` only so long after it was seen: a key whose plan lacks one feature
# would flip with every call otherwise.
LIMITED_HOLDS = timedelta(seconds=60)
_REFRESH_PART = 10  # of the interval: how often successes of a live key are written down
_MONEY = ("balance", "currency", "balance_at")


def record(key_id: str, evidence: Evidence) -> str | None:
    """Weighs one piece of evidence; returns the new verdict if it moved.

    Evidence of a version that is not current, or older than what the verdict rests on, is
    written to the timeline and changes nothing. A key that is gone is no error.
    """
    return record_many([(key_id, evidence)]).get(key_id)


def record_many(
    told: Sequence[tuple[str, Evidence]], *, reviewed: bool = True
) -> dict[str, Verdict]:
    """Weighs evidence about many keys in one transaction; returns the verdicts that moved.

    Each key at most once. Unless `reviewed`, the caller has to ask `incidents.review` itself.
    """
    with transaction.atomic():
        moved = _weigh(told, reviewed=reviewed)
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
    if meaning in UNDETERMINED:
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
        return bool(_weigh([(key_id, evidence)]))
    return False


def _weigh(told: Sequence[tuple[str, Evidence]], *, reviewed: bool = True) -> dict[str, Verdict]:
    """`record_many` in the caller's transaction, which has to bump the counter if one moved."""
    keys = locked(key_id for key_id, _ in told)
    rows = ProviderKeyVersion.objects.filter(key__in=keys, stage=Stage.CURRENT)
    current = dict(rows.values_list("key_id", "number"))
    by_provider: dict[str, list[Evidence]] = {}
    for key_id, evidence in told:
        if key_id in keys:
            by_provider.setdefault(keys[key_id].provider, []).append(evidence)
    frozen = incidents.freezing(by_provider)
    known = {slug: _Provider(checkable(slug), frozen.get(slug)) for slug in by_provider}
    lines: list[Check] = []
    for key_id, evidence in told:
        if (key := keys.get(key_id)) is not None:
            lines.append(_judged(key, evidence, current.get(key_id), known[key.provider]))
    timeline.write(lines)
    for slug, heard in by_provider.items() if reviewed else ():
        unclear = incidents.last_unclear(heard)
        if unclear or known[slug].incident:
            incidents.review(slug, unclear, max(evidence.at for evidence in heard))
    return {line.key_id: Verdict(line.moved_to) for line in lines if line.moved_to}


class _Provider(NamedTuple):
    """What is known of a provider while evidence about its keys is judged."""

    checkable: bool
    incident: Incident | None


def locked(ids: Iterable[str]) -> dict[str, ProviderKey]:
    """The keys, locked in the order in which ingest locks them: by code points."""
    plain = Collate("id", "C" if connection.vendor == "postgresql" else "BINARY")
    rows = ProviderKey.objects.select_for_update().filter(pk__in=set(ids)).order_by(plain)
    return {key.pk: key for key in rows}


def _judged(
    key: ProviderKey, evidence: Evidence, current: int | None, provider: _Provider
) -> Check:
    """Writes what the evidence does to the key; returns its line of the timeline."""
    if not _concerns(key, evidence, current):
        return _set_aside(key, evidence, current, provider)
    frozen = provider.incident is not None
    before = key.standing
    after = judge(before, evidence.meaning, evidence.at, frozen=frozen)
    why = timeline.reason(before, after, evidence, frozen=frozen)
    _write_standing(key, before, after, evidence, provider)
    balances.write(key, evidence)
    moved = "" if after.verdict is before.verdict else after.verdict
    return timeline.line(key, evidence, moved, why)


def _concerns(key: ProviderKey, evidence: Evidence, current: int | None) -> bool:
    """Whether the evidence speaks of the current secret, and of a time not yet judged."""
    if evidence.version and current is not None and evidence.version != current:
        return False
    if key.verdict in UNDETERMINED:
        return True
    return evidence.at >= (_evidence_at(key) or evidence.at)


def _set_aside(
    key: ProviderKey, evidence: Evidence, current: int | None, provider: _Provider
) -> Check:
    """Evidence that comes too late still ends the lease; a new secret stays due at once."""
    fields: dict[str, Any] = {"lease_until": None}
    mine = evidence.version == current
    if mine:
        fields["next_check_at"] = _due(key, key.standing, evidence.at, provider)
    ProviderKey.objects.filter(pk=key.pk).update(**fields)
    why = "older than what the verdict rests on" if mine else "of another secret: not counted"
    return timeline.line(key, evidence, why=why)


def forget(key: ProviderKey, now: datetime) -> None:
    """The verdict spoke of another secret: nothing is known of this one, and a check is due.

    In the caller's transaction, after its audit event: this bumps the counter.
    """
    ProviderKey.objects.filter(pk=key.pk).update(
        verdict=Verdict.UNCHECKED,
        verdict_at=now,
        refused_at=None,
        evidence={},
        unclear_since=None,
        next_check_at=now,
    )
    changes.bump()


def _evidence_at(key: ProviderKey) -> datetime | None:
    text = key.evidence.get("at", "")
    return parse_datetime(text) if text else None


def _write_standing(
    key: ProviderKey,
    before: Standing,
    after: Standing,
    evidence: Evidence,
    provider: _Provider,
) -> None:
    key.verdict = after.verdict
    key.refused_at = after.refused_at
    if after.verdict != before.verdict or key.verdict_at is None:
        key.verdict_at = evidence.at
    against = evidence.meaning not in (Verdict.LIVE, Verdict.UNDECRYPTABLE, after.verdict)
    doubted = evidence.unclear or (provider.incident is not None and against)
    if evidence.meaning is not Verdict.UNDECRYPTABLE:  # for that nobody was asked
        key.looked_at = evidence.at
        key.unclear_since = (key.unclear_since or evidence.at) if doubted else None
    # An outage must not hide what the verdict rests on: undetermined evidence only ages it.
    if not doubted or evidence.meaning is Verdict.DEAD or key.verdict in UNDETERMINED:
        key.evidence = _kept(key, evidence)
        key.checked_at = evidence.at
    key.next_check_at = _due(key, after, evidence.at, provider)
    key.lease_until = None
    key.save(update_fields=_HEALTH)


_HEALTH = [
    "verdict",
    "verdict_at",
    "refused_at",
    "evidence",
    "checked_at",
    "looked_at",
    "unclear_since",
    "next_check_at",
    "lease_until",
]


def _kept(key: ProviderKey, evidence: Evidence) -> dict[str, Any]:
    """What the row keeps: calls and refusals tell no balance, so this secret's last one stays."""
    asked = evidence.via == "probe" and evidence.meaning is Verdict.LIVE
    if asked or key.evidence.get("version") != evidence.version:
        return evidence.as_json()
    last = {name: key.evidence[name] for name in _MONEY if name in key.evidence}
    return evidence.as_json() | last


def _due(
    key: ProviderKey, standing: Standing, at: datetime, provider: _Provider
) -> datetime | None:
    if key.state == KeyState.REVOKED or not provider.checkable:
        return None
    return pacing.next_check(
        standing,
        at,
        dead_since=key.verdict_at,
        unclear_since=key.unclear_since,
        together=provider.incident.keys_affected if provider.incident else 0,
    )


def _current(key: ProviderKey, version: int) -> bool:
    rows = ProviderKeyVersion.objects.filter(key=key, number=version, stage=Stage.CURRENT)
    return rows.exists()


def _suspect(key: ProviderKey, evidence: Evidence) -> None:
    if key.verdict == Verdict.DEAD or key.refused_at or not _current(key, evidence.version):
        return
    seen = _evidence_at(key)
    if seen and evidence.at < seen and key.verdict not in UNDETERMINED:
        return
    fields: dict[str, Any] = {"refused_at": evidence.at, "looked_at": evidence.at}
    if checkable(key.provider):
        fields["next_check_at"] = timezone.now()
    same = ProviderKey.objects.filter(pk=key.pk, refused_at=None, checked_at=key.checked_at)
    if same.update(**fields):
        why = "a call was refused: a probe follows at once"
        timeline.write([timeline.line(key, evidence, why=why)])


def _refresh(key: ProviderKey, evidence: Evidence) -> None:
    """The verdict stands, on newer evidence: the probe can wait."""
    interval, unclear = pacing.interval(), key.unclear_since
    fresh = key.checked_at and evidence.at - key.checked_at < interval / _REFRESH_PART
    if (fresh and not unclear) or not _current(key, evidence.version):
        return
    fields: dict[str, Any] = {
        "checked_at": evidence.at,
        "looked_at": evidence.at,
        "unclear_since": None,
        "evidence": _kept(key, evidence),
    }
    if evidence.meaning is Verdict.LIVE and key.next_check_at:
        fields["next_check_at"] = max(key.next_check_at, evidence.at + pacing.jittered(interval))
    same = ProviderKey.objects.filter(
        pk=key.pk, verdict=key.verdict, refused_at=None, checked_at=key.checked_at
    )
    if same.update(**fields) and unclear:
        incidents.review(key.provider, None, evidence.at)


def _may_move(key: ProviderKey, evidence: Evidence) -> bool:
    if not _current(key, evidence.version):
        return False
    if key.verdict == Verdict.LIMITED and evidence.meaning is Verdict.LIVE and not key.suspect:
        return evidence.at >= (_evidence_at(key) or evidence.at) + LIMITED_HOLDS
    return True
