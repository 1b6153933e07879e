"""Rules: what may be one, and what becomes of what fires when one is changed."""

from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from hypothesis import given
from hypothesis import strategies as st

from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import Application, AuditEvent, ProviderKey, User
from tests.alerts.conftest import Rule, evaluate
from tests.factories import ApplicationFactory, ProviderKeyFactory
from usage.alerts import defaults, rules
from usage.alerts.conditions import CONDITIONS
from usage.alerts.params import clean_params
from usage.alerts.rules import RuleFields
from usage.models import AlertChannel, AlertRule, AlertState

FIELDS = RuleFields(name="Rule", condition="verdict", params={}, channels=[])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"condition": "nothing"}, "condition"),
        ({"condition": "spool_lag"}, "condition"),
        ({"params": {"percent": 5}}, "params.percent"),
        ({"params": {"verdicts": []}}, "params.verdicts"),
        ({"params": {"verdicts": "dead"}}, "params.verdicts"),
        ({"params": {"verdicts": ["fine"]}}, "params.verdicts"),
        ({"condition": "error_rate", "params": {"percent": 0}}, "params.percent"),
        ({"condition": "error_rate", "params": {"percent": 20.5}}, "params.percent"),
        ({"condition": "error_rate", "params": {"percent": True}}, "params.percent"),
        ({"condition": "error_rate", "params": {"percent": float("nan")}}, "params.percent"),
        ({"condition": "error_rate", "params": {"each": "user"}}, "params.each"),
        ({"provider": "nobody"}, "provider"),
        ({"key": "provider_key:nobody"}, "key"),
        ({"key": "user:1"}, "key"),
        ({"channels": ["nobody"]}, "channels"),
        ({"cooldown_seconds": -1}, "cooldown_seconds"),
    ],
)
def test_what_can_not_be_a_rule_says_which_field(
    fields: dict[str, Any], field: str, actor: Actor, application: Application
) -> None:
    with pytest.raises(Invalid) as refused:
        rules.create_rule(actor, application, replace(FIELDS, **fields))
    assert refused.value.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(st.data())
def test_any_parameters_are_taken_or_refused_by_name(data: st.DataObject) -> None:
    condition = CONDITIONS[data.draw(st.sampled_from(sorted(CONDITIONS)))]
    names = [param.name for param in condition.params] or ["percent"]
    given = data.draw(st.dictionaries(st.sampled_from(names), JSON))
    try:
        cleaned = clean_params(condition, given)
    except Invalid as refused:
        assert refused.field.removeprefix("params.") in given
    else:
        assert clean_params(condition, cleaned) == cleaned
        assert set(cleaned) == {param.name for param in condition.params}


def test_a_key_or_a_channel_of_another_application_is_not_there(
    actor: Actor, application: Application
) -> None:
    other = ApplicationFactory()
    key = ProviderKeyFactory(application=other)
    channel = AlertChannel.objects.create(application=other, name="Theirs", kind="email")
    for fields in ({"key": key.target}, {"channels": [channel.pk]}):
        with pytest.raises(Invalid):
            rules.create_rule(actor, application, replace(FIELDS, **fields))


def test_a_rule_may_tell_the_built_in_channel(actor: Actor, application: Application) -> None:
    built_in = AlertChannel.objects.get(preset=defaults.CHANNEL)
    made = rules.create_rule(actor, application, replace(FIELDS, channels=[built_in.pk]))
    assert list(made.channels.all()) == [built_in]


def test_turning_a_rule_off_forgets_what_fires(
    actor: Actor, rule: Rule, provider_key: ProviderKey
) -> None:
    made = rule()
    ProviderKey.objects.update(verdict="dead")
    evaluate()
    assert AlertState.objects.count() == 1
    rules.change_rule(actor, made, replace(FIELDS, enabled=False))
    assert AlertState.objects.count() == 0


def test_a_new_name_keeps_what_fires_and_another_key_does_not(
    actor: Actor, rule: Rule, provider_key: ProviderKey
) -> None:
    made = rule()
    ProviderKey.objects.update(verdict="dead")
    evaluate()
    rules.change_rule(actor, made, replace(FIELDS, name="Renamed"))
    assert AlertState.objects.count() == 1
    rules.change_rule(actor, made, replace(FIELDS, key=provider_key.target))
    assert AlertState.objects.count() == 0


def test_a_built_in_rule_is_turned_off_and_not_deleted(admin: User) -> None:
    defaults.ensure()
    built_in, who = AlertRule.objects.get(preset="verdict"), Actor.person(admin)
    with pytest.raises(Conflict, match="turned off"):
        rules.delete_rule(who, built_in)
    with pytest.raises(Invalid, match="keeps its condition"):
        rules.change_rule(who, built_in, replace(FIELDS, condition="unused"))
    rules.change_rule(who, built_in, replace(FIELDS, enabled=False))
    assert not AlertRule.objects.get(preset="verdict").enabled


@pytest.mark.parametrize("preset", defaults.RULES)
def test_what_a_rule_starts_with_is_what_a_form_would_store(preset: str) -> None:
    _, condition, params, _ = defaults.RULES[preset]
    assert clean_params(CONDITIONS[condition], params) == params


def test_every_act_is_audited(actor: Actor, rule: Rule) -> None:
    made = rule()
    rules.change_rule(actor, made, FIELDS)
    rules.delete_rule(actor, made)
    events = AuditEvent.objects.filter(target=f"alert_rule:{made.pk}").order_by("pk")
    assert [event.action for event in events] == [
        "alert_rule.created",
        "alert_rule.changed",
        "alert_rule.deleted",
    ]


def test_the_installations_rules_are_the_site_admins(owner: User) -> None:
    with pytest.raises(PermissionDenied):
        rules.create_rule(Actor.person(owner), None, FIELDS)
