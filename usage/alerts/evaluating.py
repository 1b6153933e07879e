"""Looks whether rules hold, keeps what is known of each subject, and writes what is to be told.

Rules are rows with leases: a worker that dies in the middle leaves them due. What a look found,
and what is to be told of it, is written in one transaction.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from config.logging import mask
from keys import leases
from usage.alerts import outbox
from usage.alerts.conditions import CONDITIONS, Condition, Finding
from usage.alerts.facts import MOST, Facts, Scope
from usage.alerts.standing import Standing, Told, look
from usage.models import AlertRule, AlertState

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
RULES = 200  # of one round
TOLD = ("title", "evidence", "cause", "remedy", "url")


def evaluate_due(now: datetime | None = None) -> int:
    """Looks at every rule that is due and not being looked at; returns how many."""
    now = now or timezone.now()
    due = _due(now).order_by("next_at").select_related("application")
    rules = leases.take(due, now + LEASE, RULES)
    facts = Facts(now)
    for rule in rules:
        _evaluate(rule, facts, now)
    return len(rules)


def _due(now: datetime) -> QuerySet[AlertRule]:
    return AlertRule.objects.filter(leases.free(now), enabled=True, next_at__lte=now)


def _evaluate(rule: AlertRule, facts: Facts, now: datetime) -> None:
    condition = CONDITIONS.get(rule.condition)
    every = condition.every if condition else 3600.0
    error = ""
    try:
        if condition is not None:
            _look(rule, condition, facts, now)
    except Exception as fault:  # one rule's fault must not silence the others
        logger.exception("alert rule %s can't be looked at", rule.pk)
        error = mask(f"{type(fault).__name__}: {fault}".replace("\0", ""))[:300]
    mine = AlertRule.objects.filter(pk=rule.pk, lease_until=rule.lease_until)
    mine.update(next_at=now + timedelta(seconds=every), lease_until=None, error=error)


def scope_of(rule: AlertRule) -> Scope:
    applications = (rule.application_id,) if rule.application_id else None
    return Scope(applications, rule.provider, rule.key)


def _look(rule: AlertRule, condition: Condition, facts: Facts, now: datetime) -> None:
    findings = {one.subject: one for one in condition.find(facts, scope_of(rule), rule.params)}
    with transaction.atomic():
        # Another took it, whose lease this one had outlived: what it found is newer.
        held = AlertRule.objects.select_for_update().filter(
            pk=rule.pk, lease_until=rule.lease_until, enabled=True
        )
        if held.first() is None:
            return
        known = {row.subject: row for row in rule.states.all()}
        told = [_step(rule, known.get(name), one, now) for name, one in findings.items()]
        if len(findings) < MOST:  # of more, those beyond were not looked at
            gone = [row for row in known.values() if row.subject not in findings]
            told += [_end(rule, row, now) for row in gone if row.ended_at is None]
        outbox.put(rule, [one for one in told if one is not None], now)


def _step(
    rule: AlertRule, row: AlertState | None, found: Finding, now: datetime
) -> tuple[AlertState, Told] | None:
    cooldown = timedelta(seconds=rule.cooldown_seconds)
    standing, told = look(_standing(row), found.what, found.since, now, cooldown)
    if standing is None:
        return None
    before = _columns(row) if row else None
    row = row or AlertState(rule=rule, subject=found.subject)
    row.application = found.application or rule.application_id or ""
    row.provider = found.provider
    row.level, row.what = found.level, found.what
    row.told = {name: getattr(found, name) for name in TOLD}
    _put(row, standing)
    if _columns(row) != before:
        row.save()
    return (row, told) if told else None


def _end(rule: AlertRule, row: AlertState, now: datetime) -> tuple[AlertState, Told] | None:
    standing, told = look(_standing(row), "", None, now, timedelta())
    if standing is None:
        return None
    _put(row, standing)
    row.save()
    return (row, told) if told and rule.tells_recovery else None


def _standing(row: AlertState | None) -> Standing | None:
    if row is None:
        return None
    return Standing(row.firing_since, row.ended_at, row.told_at, row.told_what)


def _put(row: AlertState, standing: Standing) -> None:
    row.firing_since, row.ended_at = standing.firing_since, standing.ended_at
    row.told_at, row.told_what = standing.told_at, standing.told_what


def _columns(row: AlertState) -> dict[str, object]:
    """Its values: a look that finds the same writes nothing."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
