"""A provider in trouble is one alert, and its end one more."""

from datetime import timedelta

from django.utils import timezone

from keys.models import Incident, ProviderKey
from tests.alerts.conftest import Rule, evaluate, told
from tests.factories import ProviderKeyFactory
from usage.models import AlertChannel


def test_a_provider_in_trouble_is_told_once_however_many_keys_it_has(
    rule: Rule, provider_key: ProviderKey, webhook: AlertChannel
) -> None:
    rule("incident", channels=[webhook.pk])
    for _ in range(20):
        ProviderKeyFactory(application=provider_key.application, verdict="live")
    now = timezone.now()
    ProviderKey.objects.update(next_check_at=now)
    Incident.objects.create(
        provider="modelslab", opened_at=now, last_unclear_at=now, keys_affected=20,
        evidence={"status": 503, "unclear": 20, "asked": 21},
    )  # fmt: skip
    for minute in range(5):
        evaluate(minutes=minute)
    assert told() == [("fired", "ModelsLab gives no clear answers")]
    Incident.objects.update(closed_at=now + timedelta(hours=1))
    evaluate(minutes=70)
    assert told()[1:] == [("ended", "ModelsLab gives no clear answers")]
