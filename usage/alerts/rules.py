"""The door for rules: made, changed and deleted here, each with its audit event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from keys import audit, permissions
from keys.audit import Action, Actor
from keys.lifecycle import Conflict, Invalid
from keys.lifecycle.inputs import clean_name
from keys.lifecycle.locks import hold_application
from keys.models import KEYS, Application
from keys.providers import UnknownProvider, get
from usage.alerts.params import clean_condition, clean_params
from usage.models import AlertChannel, AlertRule

LONGEST_COOLDOWN = 30 * 86400  # seconds
MOST_RULES = 200  # of one application, and of the installation


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFields:
    """What a rule says. `key` is "app_key:<id>" or "provider_key:<id>", empty for any."""

    name: str
    condition: str
    params: Mapping[str, Any]
    channels: Sequence[str]  # ids
    provider: str = ""
    key: str = ""
    enabled: bool = True
    cooldown_seconds: int = 3600
    tells_recovery: bool = True


def create_rule(actor: Actor, application: Application | None, fields: RuleFields) -> AlertRule:
    """A new rule of an application, or of the installation. Raises Invalid, Conflict."""
    with transaction.atomic():
        hold(actor, application)
        if AlertRule.objects.filter(application=application).count() >= MOST_RULES:
            raise Conflict(f"There are {MOST_RULES} rules already: delete one first.")
        rule = AlertRule(application=application, created_by=actor.user)
        _fill(rule, fields)
        rule.save(force_insert=True)
        rule.channels.set(_channels(application, fields.channels))
        _note(actor, Action.ALERT_RULE_CREATED, rule)
    return rule


def change_rule(actor: Actor, rule: AlertRule, fields: RuleFields) -> None:
    """Give the rule these fields. What fires and was told stays so, unless it looks elsewhere."""
    with transaction.atomic():
        hold(actor, rule.application)
        row = _held(rule)
        before = (row.condition, row.params, row.provider, row.key)
        if row.preset and fields.condition != row.condition:
            raise Invalid("condition", "A built-in rule keeps its condition.")
        _fill(row, fields)
        if before != (row.condition, row.params, row.provider, row.key):
            row.next_at = timezone.now()
        if (before[0], before[2], before[3]) != (row.condition, row.provider, row.key):
            row.states.all().delete()
        row.save()
        row.channels.set(_channels(row.application, fields.channels))
        _note(actor, Action.ALERT_RULE_CHANGED, row)
        if not row.enabled:
            row.states.all().delete()
    rule.refresh_from_db()


def delete_rule(actor: Actor, rule: AlertRule) -> None:
    with transaction.atomic():
        hold(actor, rule.application)
        row = _held(rule)
        if row.preset:
            raise Conflict("A built-in rule is turned off, not deleted.")
        _note(actor, Action.ALERT_RULE_DELETED, row)
        row.delete()


def hold(actor: Actor, application: Application | None) -> None:
    """The application's row, so that acts come one by one; of the installation's a site admin."""
    if application is not None:
        hold_application(actor, application.pk)
    elif actor.user is not None:
        permissions.require_site_admin(actor.user)


def _held(rule: AlertRule) -> AlertRule:
    rows = AlertRule.objects.select_for_update(of=("self",)).select_related("application")
    row = rows.filter(pk=rule.pk).first()
    if row is None:
        raise Conflict("This rule is gone.")
    return row


def _fill(rule: AlertRule, fields: RuleFields) -> None:
    condition = clean_condition(fields.condition)
    if condition.site_only and rule.application_id:
        raise Invalid("condition", "This condition speaks of the whole installation.")
    rule.name = clean_name(fields.name)
    rule.condition = condition.slug
    rule.params = clean_params(condition, fields.params)
    rule.provider = _provider(fields.provider)
    rule.key = _key(rule.application, fields.key)
    rule.enabled = fields.enabled
    if not 0 <= fields.cooldown_seconds <= LONGEST_COOLDOWN:
        raise Invalid("cooldown_seconds", f"From 0 to {LONGEST_COOLDOWN} seconds.")
    rule.cooldown_seconds = fields.cooldown_seconds
    rule.tells_recovery = fields.tells_recovery


def _provider(slug: str) -> str:
    try:
        return get(slug).slug if slug else ""
    except UnknownProvider:
        raise Invalid("provider", "There is no such provider.") from None


def _key(application: Application | None, target: str) -> str:
    if not target:
        return ""
    kind, _, id = target.partition(":")
    model = KEYS.get(kind)
    rows = model._default_manager.filter(pk=id[:12]) if model else None
    if rows is not None and application is not None:
        rows = rows.filter(application=application)
    if rows is None or not rows.exists():
        raise Invalid("key", "There is no such key.")
    return target


def _channels(application: Application | None, ids: Sequence[str]) -> list[AlertChannel]:
    """Those of the rule's own application, or the built-in ones of the installation."""
    rows = AlertChannel.objects.filter(pk__in=list(ids))
    found = {row.pk: row for row in rows}
    for id in ids:
        row = found.get(id)
        mine = row is not None and (
            row.application_id == (application.pk if application else None) or row.preset
        )
        if not mine:
            raise Invalid("channels", "There is no such channel here.")
    return list(found.values())


def _note(actor: Actor, action: Action, rule: AlertRule) -> None:
    told = {
        "condition": rule.condition,
        "params": rule.params,
        "provider": rule.provider,
        "key": rule.key,
        "enabled": rule.enabled,
        "cooldown_seconds": rule.cooldown_seconds,
        "channels": sorted(rule.channels.values_list("name", flat=True)),
    }
    target = f"alert_rule:{rule.pk}"
    audit.record(actor, action, target, rule.application, name=rule.name, **told)
