"""Rules are looked at when they are due: what fires, what is told, what is over."""

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from keys.audit import Actor
from keys.models import Application, ProviderKey, User
from tests.alerts.conftest import Rule, evaluate, told
from tests.factories import ApplicationFactory, ProviderKeyFactory
from usage.alerts import delivering, evaluating, rules
from usage.alerts.conditions import CONDITIONS
from usage.alerts.rules import RuleFields
from usage.models import AlertChannel, AlertNotice, AlertRule, AlertState


def test_a_key_that_dies_is_told_once_and_its_recovery_too(
    rule: Rule, provider_key: ProviderKey, webhook: AlertChannel
) -> None:
    rule(channels=[webhook.pk])
    evaluate()
    assert told() == []
    ProviderKey.objects.update(verdict="dead", verdict_at=timezone.now())
    for _ in range(3):
        evaluate()
    assert told() == [("fired", "Shop · Main account is dead")]
    ProviderKey.objects.update(verdict="live")
    for _ in range(2):
        evaluate()
    assert told()[1:] == [("ended", "Shop · Main account is dead")]


def test_an_alert_says_what_since_when_evidence_cause_and_what_to_do(
    rule: Rule, provider_key: ProviderKey, webhook: AlertChannel
) -> None:
    since = timezone.now() - timedelta(minutes=7)
    evidence = {"status": 401, "code": "invalid_key", "message": "Invalid API key"}
    ProviderKey.objects.update(verdict="dead", verdict_at=since, evidence=evidence)
    rule(channels=[webhook.pk])
    evaluate()
    (alert,) = AlertNotice.objects.get().alerts
    assert alert["since"] == since.isoformat()
    assert alert["evidence"] == "HTTP 401 · invalid_key · Invalid API key"
    assert "revoked" in alert["cause"]
    assert "rotate" in alert["remedy"]
    assert alert["url"] == (
        f"http://localhost:8000/applications/shop/provider-keys/{provider_key.pk}/"
    )


def test_within_the_cooldown_a_flapping_key_is_told_once(
    rule: Rule, provider_key: ProviderKey, webhook: AlertChannel
) -> None:
    rule(channels=[webhook.pk], cooldown_seconds=3600, tells_recovery=False)
    for minute in range(10):
        ProviderKey.objects.update(verdict="dead" if minute % 2 else "live")
        evaluate(minutes=minute)
    assert len(told()) == 1
    evaluate(minutes=90)
    assert len(told()) == 2


def test_a_rule_without_recovery_is_silent_about_the_end(
    rule: Rule, provider_key: ProviderKey, webhook: AlertChannel
) -> None:
    rule(channels=[webhook.pk], tells_recovery=False)
    ProviderKey.objects.update(verdict="dead")
    evaluate()
    ProviderKey.objects.update(verdict="live")
    evaluate()
    assert [kind for kind, _ in told()] == ["fired"]
    assert AlertState.objects.get().ended_at is not None


def test_a_rule_looks_at_its_own_application_provider_and_key_alone(
    rule: Rule, application: Application, provider_key: ProviderKey
) -> None:
    other = ProviderKeyFactory(application=application, provider="openai", verdict="dead")
    ProviderKeyFactory(application=ApplicationFactory(), verdict="dead")
    ProviderKey.objects.filter(pk=provider_key.pk).update(verdict="dead")
    for fields, subjects in (
        ({}, {provider_key.target, other.target}),
        ({"provider": "openai"}, {other.target}),
        ({"key": provider_key.target}, {provider_key.target}),
    ):
        made = rule(**fields)
        evaluate()
        assert {state.subject for state in made.states.all()} == subjects


def test_a_rule_of_the_installation_tells_each_applications_owners(
    admin: User, owner: User, provider_key: ProviderKey
) -> None:
    channel = AlertChannel.objects.get(preset="owners")
    fields = RuleFields(name="All", condition="verdict", params={}, channels=[channel.pk])
    rules.create_rule(Actor.person(admin), None, fields)
    ProviderKey.objects.update(verdict="dead")
    evaluate()
    assert delivering.deliver_due() == 1
    assert [sent.to for sent in mail.outbox] == [[owner.email]]
    assert mail.outbox[0].subject == "[Keydeck] Shop · Main account is dead"


def test_an_applications_channel_hears_the_installations_rules_unless_it_does_not_listen(
    admin: User, provider_key: ProviderKey, webhook: AlertChannel
) -> None:
    fields = RuleFields(name="All", condition="verdict", params={}, channels=[])
    rules.create_rule(Actor.person(admin), None, fields)
    ProviderKey.objects.update(verdict="dead")
    evaluate()
    assert [kind for kind, _ in told()] == ["fired"]
    AlertChannel.objects.filter(pk=webhook.pk).update(hears_site=False)
    ProviderKey.objects.update(verdict="live")
    evaluate()
    assert [kind for kind, _ in told()] == ["fired"]


def test_many_keys_that_die_together_are_one_message(
    rule: Rule, application: Application, webhook: AlertChannel
) -> None:
    rule(channels=[webhook.pk])
    for _ in range(150):
        ProviderKeyFactory(application=application, verdict="dead")
    evaluate()
    notice = AlertNotice.objects.get()
    assert (len(notice.alerts), notice.more) == (100, 50)
    assert notice.deliveries.count() == 1


def test_a_fault_in_one_rule_silences_no_other(
    rule: Rule, provider_key: ProviderKey, webhook: AlertChannel
) -> None:
    broken = rule(name="Broken")
    AlertRule.objects.filter(pk=broken.pk).update(params={})
    rule(channels=[webhook.pk])
    ProviderKey.objects.update(verdict="dead")
    evaluate()
    assert len(told()) == 1
    broken.refresh_from_db()
    assert broken.error == "KeyError: 'verdicts'"


def test_a_look_that_finds_the_same_writes_nothing(
    rule: Rule, application: Application, django_assert_max_num_queries: object
) -> None:
    rule()
    for _ in range(40):
        ProviderKeyFactory(application=application, verdict="dead")
    evaluate()
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        evaluate(minutes=1)


def test_a_rule_is_due_again_in_its_conditions_time(rule: Rule) -> None:
    made, now = rule(), timezone.now()
    assert evaluating.evaluate_due(now) == 1
    assert evaluating.evaluate_due(now) == 0
    made.refresh_from_db()
    assert made.next_at == now + timedelta(seconds=CONDITIONS["verdict"].every)
    assert evaluating.evaluate_due(made.next_at) == 1


def test_a_rule_that_a_dead_worker_held_is_looked_at_when_its_lease_is_over(rule: Rule) -> None:
    rule()
    now = timezone.now()
    AlertRule.objects.update(lease_until=now + evaluating.LEASE)
    assert evaluating.evaluate_due(now) == 0
    assert evaluating.evaluate_due(now + evaluating.LEASE) == 1


def test_a_rule_that_is_off_is_not_looked_at(rule: Rule) -> None:
    rule(enabled=False)
    assert evaluating.evaluate_due() == 0


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_time_tell_an_alert_once(
    rule: Rule, provider_key: ProviderKey, webhook: AlertChannel
) -> None:
    rule(channels=[webhook.pk])
    ProviderKey.objects.update(verdict="dead")

    def look() -> None:
        try:
            evaluating.evaluate_due(timezone.now() + timedelta(seconds=1))
        finally:
            connection.close()

    workers = [threading.Thread(target=look) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert told() == [("fired", "Shop · Main account is dead")]
