"""What each condition finds, in real rows and stored calls."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys.models import AppKey, Application, Incident, PriceList, ProviderKey
from keys.states import Stage
from tests.factories import ProviderKeyFactory, add_version
from usage.alerts.conditions import CONDITIONS, Finding
from usage.alerts.facts import Facts, Scope
from usage.alerts.params import clean_params
from usage.events import Outcome

ANYWHERE = Scope()


def find(condition: str, scope: Scope = ANYWHERE, **params: Any) -> list[Finding]:
    kind = CONDITIONS[condition]
    return list(kind.find(Facts(timezone.now()), scope, clean_params(kind, params)))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_on_an_empty_installation_nothing_fires(condition: str, db: None) -> None:
    assert find(condition) == []


@pytest.mark.parametrize("condition", CONDITIONS)
def test_where_all_is_well_nothing_fires(
    condition: str, application: Application, provider_key: ProviderKey, app_key: AppKey, store: Any
) -> None:
    ProviderKey.objects.update(evidence={"balance": 100.0}, last_used_at=timezone.now())
    AppKey.objects.update(per_day=1000, last_used_at=timezone.now())
    store(30)
    assert find(condition, Scope((application.pk,))) == []


def test_verdict_names_the_keys_with_one_of_the_verdicts(provider_key: ProviderKey) -> None:
    for verdict in ("dead", "exhausted"):
        ProviderKey.objects.update(verdict=verdict)
        (found,) = find("verdict")
        assert (found.subject, found.what) == (provider_key.target, verdict)
    ProviderKey.objects.update(verdict="limited")
    assert find("verdict") == []
    assert len(find("verdict", verdicts=["limited"])) == 1
    ProviderKey.objects.update(state="disabled")
    assert find("verdict", verdicts=["limited"]) == []


def opened(provider: str = "modelslab", cause: str = "provider") -> Incident:
    now = timezone.now()
    return Incident.objects.create(
        provider=provider,
        cause=cause,
        opened_at=now,
        last_unclear_at=now,
        keys_affected=9,
        evidence={"status": 503},
    )


def test_an_incident_is_one_finding_for_whoever_has_a_key_there(
    application: Application, provider_key: ProviderKey
) -> None:
    ProviderKey.objects.update(next_check_at=timezone.now())
    opened("openai")
    assert find("incident", Scope((application.pk,))) == []
    outage = opened()
    (found,) = find("incident")
    assert found.title == "ModelsLab gives no clear answers"
    assert found.evidence == "9 keys turned unclear together: HTTP 503"
    assert find("incident", Scope((application.pk,))) == [found]
    Incident.objects.filter(pk=outage.pk).update(closed_at=timezone.now())
    assert find("incident") == []


def test_the_network_away_is_one_finding(provider_key: ProviderKey) -> None:
    ProviderKey.objects.update(next_check_at=timezone.now())
    opened("openai", cause="network")
    (found,) = find("incident")
    assert (found.subject, found.title) == ("network", "No provider gives clear answers")


@pytest.mark.parametrize(
    ("each", "subject"),
    [
        ("application", "application:{application}"),
        ("provider", "provider:modelslab"),
        ("provider_key", "provider_key:{provider_key}"),
        ("app_key", "app_key:{app_key}"),
    ],
)
def test_error_rate_counts_errors_of_judged_calls(
    each: str,
    subject: str,
    application: Application,
    provider_key: ProviderKey,
    app_key: AppKey,
    store: Any,
) -> None:
    store(15)
    store(5, outcome=Outcome.UPSTREAM_ERROR, status=503)
    store(50, outcome=Outcome.DENIED, status=429)
    (found,) = find("error_rate", percent=25, calls=20, each=each)
    ids = {"application": application.pk, "provider_key": provider_key.pk, "app_key": app_key.pk}
    assert found.subject == subject.format(**ids)
    assert "25 % of calls fail" in found.title
    assert found.evidence == "5 of 20 calls in 15 minutes: 5 upstream error"
    assert "provider" in found.cause
    assert find("error_rate", percent=26, calls=20, each=each) == []
    assert find("error_rate", percent=25, calls=21, each=each) == []


def test_what_lies_before_the_window_does_not_count(store: Any) -> None:
    store(30, ago=timedelta(minutes=30), outcome=Outcome.KEY_ERROR, status=401)
    assert find("error_rate", percent=1, calls=1, minutes=15) == []
    assert len(find("error_rate", percent=1, calls=1, minutes=60)) == 1


def test_latency_is_the_p95_of_the_window(store: Any) -> None:
    store(18, latency_ms=100.0)
    store(2, latency_ms=5000.0)
    (found,) = find("latency", milliseconds=1000)
    assert "p95" in found.title
    assert find("latency", milliseconds=60_000) == []
    assert find("latency", milliseconds=1000, calls=21) == []


@pytest.mark.parametrize(
    ("balance", "fires"), [(4.99, True), (0, True), (5.0, False), (None, False)]
)
def test_balance_is_low_below_the_amount(
    provider_key: ProviderKey, balance: float | None, fires: bool
) -> None:
    ProviderKey.objects.update(evidence={"balance": balance, "currency": "USD"})
    assert bool(find("balance", amount=5.0)) is fires


def test_quota_fires_at_the_share_of_a_limit(app_key: AppKey, store: Any) -> None:
    AppKey.objects.update(per_day=10, per_month=1000)
    store(8, ago=timedelta())
    (found,) = find("quota", percent=80)
    assert (found.subject, found.what) == (f"{app_key.target}/day", "quota")
    store(2, ago=timedelta())
    assert find("quota", percent=80)[0].what == "quota_used_up"


def test_spend_is_held_against_an_amount_or_the_week_before(store: Any) -> None:
    store(1, ago=timedelta(hours=1), cost_nanos=6 * 10**9)
    (found,) = find("spend", dollars_per_day=20, times=0, hours=6)
    assert "$24.00 a day" in found.title
    assert find("spend", dollars_per_day=30, times=0, hours=6) == []
    assert find("spend", dollars_per_day=0, times=3, hours=6) == []  # there was no week before
    store(1, ago=timedelta(days=3), cost_nanos=21 * 10**9)
    assert len(find("spend", dollars_per_day=0, times=8, hours=6)) == 1
    assert find("spend", dollars_per_day=0, times=9, hours=6) == []


def test_spend_is_worked_out_from_prices_where_the_provider_reports_none(store: Any) -> None:
    PriceList.objects.create(provider="modelslab", rows=[["*", 10**9, 0, 0]])
    store(6, ago=timedelta(hours=1))
    (found,) = find("spend", dollars_per_day=20, times=0, hours=6)
    assert "$24.00 a day" in found.title


def test_expiring_counts_days(app_key: AppKey) -> None:
    AppKey.objects.update(expires_at=timezone.now() + timedelta(days=6, hours=1))
    (found,) = find("expiring", days=7)
    assert "expires in 6 days" in found.title
    assert find("expiring", days=6) == []


def test_unused_counts_from_the_last_call_or_the_making(
    app_key: AppKey, provider_key: ProviderKey
) -> None:
    assert find("unused", days=30) == []
    AppKey.objects.update(created_at=timezone.now() - timedelta(days=31))
    ProviderKey.objects.update(
        created_at=timezone.now() - timedelta(days=99),
        last_used_at=timezone.now() - timedelta(days=31),
    )
    assert {one.subject for one in find("unused", days=30)} == {app_key.target, provider_key.target}
    assert find("unused", days=32) == []


def test_an_old_version_fires_while_it_is_used(provider_key: ProviderKey) -> None:
    now = timezone.now()
    provider_key.versions.update(stage=Stage.PREVIOUS, last_used_at=now)
    add_version(provider_key, "the-new-secret", number=2, promoted_at=now - timedelta(hours=30))
    (found,) = find("old_version", hours=24)
    assert found.subject == f"{provider_key.target}/1"
    assert find("old_version", hours=31) == []
    provider_key.versions.filter(number=1).update(last_used_at=now - timedelta(hours=2))
    assert find("old_version", hours=24) == []


def test_spool_lag_fires_beyond_the_seconds(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(Facts, "lag_seconds", lambda self: 61.0)
    assert len(find("spool_lag", seconds=60)) == 1
    assert find("spool_lag", seconds=62) == []


def test_a_hundred_rules_with_one_window_ask_once(
    application: Application, store: Any, django_assert_max_num_queries: Any
) -> None:
    store(20)
    ProviderKeyFactory(application=application)
    kind, facts = CONDITIONS["error_rate"], Facts(timezone.now())
    with django_assert_max_num_queries(6):
        for percent in range(1, 101):
            list(kind.find(facts, ANYWHERE, clean_params(kind, {"percent": percent})))
