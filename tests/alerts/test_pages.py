"""The pages: what fires, rules, channels, deliveries, and the inbox."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from keys.audit import Actor
from keys.models import AppKey, Application, Job, ProviderKey, User
from tests.alerts.conftest import HOOK, Rule, evaluate
from tests.factories import AppKeyFactory, ApplicationFactory
from tests.upstream import Upstream
from usage import hygiene
from usage.alerts import channels, defaults
from usage.models import AlertChannel, AlertRule, HygieneFinding
from usage.tasks import sweep_hygiene
from usage.views.hygiene import SWEEP

ClientOf = Callable[..., Client]
HTMX = {"HX-Request": "true"}


def test_what_fires_is_on_the_page_and_on_the_overview(
    client_of: ClientOf, viewer: User, rule: Rule, app_key: AppKey
) -> None:
    rule("unused", {"days": 30}, name="Idle")
    AppKey.objects.update(created_at=timezone.now() - timedelta(days=40))
    evaluate()
    client = client_of(viewer)
    for address in ("/alerts/", "/"):
        page = client.get(address).content.decode()
        assert "Shop · Website is not used" in page, address
        assert "Disable it; if nobody misses it, revoke it." in page, address
    page = client.get("/alerts/").content.decode()
    for words in (
        "since <time",
        "Evidence: No call was ever made",
        "Likely cause: ",
        "What to do: ",
    ):
        assert words in page, words
    AppKey.objects.update(last_used_at=timezone.now())
    evaluate()
    assert "Nothing fires" in client.get("/alerts/").content.decode()
    assert "is not used" not in client.get("/").content.decode()


def test_the_overview_says_a_dead_key_once(
    client_of: ClientOf, viewer: User, rule: Rule, provider_key: ProviderKey
) -> None:
    rule()
    ProviderKey.objects.update(verdict="dead")
    evaluate()
    assert client_of(viewer).get("/").content.decode().count("Main account is dead") == 1


def test_a_spool_that_lags_is_the_site_admins(
    client_of: ClientOf, viewer: User, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults.ensure()
    monkeypatch.setattr("usage.alerts.facts.Facts.lag_seconds", lambda self: 500.0)
    evaluate()
    assert "Calls wait 500 s" in client_of(admin).get("/").content.decode()
    for address in ("/", "/alerts/"):
        assert "Calls wait" not in client_of(viewer).get(address).content.decode()


def test_others_alerts_rules_and_channels_stay_theirs(
    client_of: ClientOf,
    outsider: User,
    rule: Rule,
    webhook: AlertChannel,
    provider_key: ProviderKey,
) -> None:
    made = rule(name="Ours", channels=[webhook.pk])
    ProviderKey.objects.update(verdict="dead")
    evaluate()
    page = client_of(outsider).get("/alerts/").content.decode()
    assert "Ours" not in page
    assert "Main account" not in page
    assert webhook.name not in page
    assert client_of(outsider).get(f"/alerts/rules/{made.pk}/").status_code == 404
    sent = client_of(outsider).get("/alerts/deliveries/").content.decode()
    assert "Nothing was sent yet" in sent


def test_an_owner_makes_a_rule_in_a_dialog(
    client_of: ClientOf, owner: User, application: Application, webhook: AlertChannel
) -> None:
    client = client_of(owner)
    form = client.get("/alerts/rules/new/", headers=HTMX).content.decode()
    assert 'data-shown-for="condition=error_rate"' in form
    told = {
        "application": "shop",
        "name": "Failing",
        "condition": "error_rate",
        "error_rate-percent": "5",
        "error_rate-minutes": "",
        "cooldown_seconds": "300",
        "channels": [webhook.pk],
        "enabled": "on",
    }
    answer = client.post("/alerts/rules/new/", told, headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/alerts/"
    made = AlertRule.objects.get()
    assert made.params == {"percent": 5, "minutes": 15, "calls": 20, "each": "application"}
    assert (made.application, made.cooldown_seconds, made.tells_recovery) == (
        application,
        300,
        False,
    )
    change = f"/alerts/rules/{made.pk}/"
    assert 'value="5"' in client.get(change, headers=HTMX).content.decode()
    bad = client.post(change, {**told, "error_rate-percent": "500"}, headers=HTMX)
    assert bad.status_code == 422
    client.post(change, {**told, "name": "Renamed", "channels": []})
    made.refresh_from_db()
    assert (made.name, made.channels.count()) == ("Renamed", 0)
    client.post(f"{change}delete/")
    assert not AlertRule.objects.exists()


def test_a_webhooks_secret_is_shown_once_and_its_address_never(
    client_of: ClientOf, owner: User, receiver: Upstream
) -> None:
    client = client_of(owner)
    told = {"application": "shop", "name": "Ops", "kind": "webhook", "url": receiver.url + HOOK}
    made = client.post("/alerts/channels/new/", told, headers=HTMX).content.decode()
    assert re.search(r"whsec_[A-Za-z0-9+/]{43}=", made)
    assert "T0ken" not in made
    channel = AlertChannel.objects.get(name="Ops")
    for address in (
        "/alerts/",
        f"/alerts/channels/{channel.pk}/",
        "/alerts/deliveries/",
        "/audit/",
    ):
        page = client.get(address).content.decode()
        assert "whsec_" not in page, address
        assert "T0ken" not in page, address
    refused = client.post("/alerts/channels/new/", {**told, "url": "https://10.0.0.1/T0ken"})
    assert refused.status_code == 422
    assert "T0ken" not in refused.content.decode()


@pytest.mark.parametrize(
    ("status", "words"), [(200, "came through"), (410, "did not come through")]
)
def test_the_test_button_says_what_came_of_it(
    status: int,
    words: str,
    client_of: ClientOf,
    owner: User,
    webhook: AlertChannel,
    receiver: Upstream,
) -> None:
    receiver.answer(status, b"thanks")
    page = client_of(owner).post(f"/alerts/channels/{webhook.pk}/test/", follow=True)
    text = page.content.decode()
    assert f"{words} to Ops (HTTP {status}): thanks" in text


def test_viewers_see_and_do_not_change(
    client_of: ClientOf, viewer: User, rule: Rule, webhook: AlertChannel
) -> None:
    made, client = rule(name="Ours"), client_of(viewer)
    page = client.get("/alerts/").content.decode()
    assert "Ours" in page
    assert "Make the rule" not in page
    for address in (f"/alerts/rules/{made.pk}/", f"/alerts/channels/{webhook.pk}/test/"):
        assert client.post(address).status_code == 403


def test_who_gets_the_mail_of_a_channel_is_for_those_who_manage_it(
    client_of: ClientOf, actor: Actor, application: Application, owner: User, viewer: User
) -> None:
    channels.create_channel(
        actor, application, name="Mail", kind="email", recipients=["secret.list@example.com"]
    )
    assert "secret.list@" in client_of(owner).get("/alerts/").content.decode()
    assert "secret.list@" not in client_of(viewer).get("/alerts/").content.decode()


def test_alerts_cost_the_same_queries_however_many(
    client_of: ClientOf,
    viewer: User,
    rule: Rule,
    application: Application,
    django_assert_num_queries: Callable[..., Any],
) -> None:
    client = client_of(viewer)
    rule("unused")
    with django_assert_num_queries(30, exact=False) as few:
        client.get("/alerts/")
    for number in range(20):
        rule("unused", name=f"r{number}")
        AppKeyFactory(application=application)
    AppKey.objects.update(created_at=timezone.now() - timedelta(days=40))
    evaluate()
    with django_assert_num_queries(len(few) + 1):  # the names of applications
        client.get("/alerts/")


@pytest.fixture
def inbox(app_key: AppKey, provider_key: ProviderKey) -> None:
    hygiene.sweep()


@pytest.mark.usefixtures("inbox")
def test_the_inbox_is_counted_in_the_menu(
    client_of: ClientOf, viewer: User, outsider: User
) -> None:
    assert 'title="4 to tidy up"' in client_of(viewer).get("/").content.decode()
    assert "to tidy up" not in client_of(outsider).get("/").content.decode()


@pytest.mark.usefixtures("inbox")
def test_a_click_in_the_inbox_mends(client_of: ClientOf, owner: User) -> None:
    client = client_of(owner)
    page = client.get("/hygiene/?code=no_limit").content.decode()
    finding = HygieneFinding.objects.get(code="no_limit")
    assert f"/hygiene/{finding.pk}/fix/?code=no_limit" in page
    assert "Limit it to 100 a day" in page
    answer = client.post(f"/hygiene/{finding.pk}/fix/?code=no_limit")
    assert answer.headers["Location"] == "/hygiene/?code=no_limit"
    assert AppKey.objects.get().per_day == 100
    assert "Nothing to tidy up" in client.get("/hygiene/?code=no_limit").content.decode()


def test_an_inbox_that_nothing_looked_into_yet_says_so(client_of: ClientOf, owner: User) -> None:
    job = Job.objects.create(name=SWEEP, every=120, next_at=timezone.now())
    client = client_of(owner)
    page = client.get("/hygiene/").content.decode()
    assert "Not looked yet" in page
    assert "Nothing to tidy up" not in page
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now())
    assert "Nothing to tidy up" in client.get("/hygiene/").content.decode()


def test_the_job_that_fills_the_inbox_is_known_by_its_name() -> None:
    assert sweep_hygiene.name == SWEEP


@pytest.mark.usefixtures("inbox")
def test_what_was_put_off_is_under_later(client_of: ClientOf, owner: User) -> None:
    client, finding = client_of(owner), HygieneFinding.objects.get(code="no_limit")
    client.post(f"/hygiene/{finding.pk}/snooze/", {"days": "7"})
    assert "Limit it" not in client.get("/hygiene/").content.decode()
    later = client.get("/hygiene/?snoozed=1").content.decode()
    assert "comes back" in later
    assert client.post(f"/hygiene/{finding.pk}/snooze/", {"days": "8"}).status_code == 422


@pytest.mark.usefixtures("inbox")
def test_a_viewer_sees_the_inbox_without_buttons(client_of: ClientOf, viewer: User) -> None:
    page = client_of(viewer).get("/hygiene/").content.decode()
    assert "Nobody answerable" in page
    assert "/fix/" not in page


@pytest.mark.usefixtures("inbox")
def test_the_inbox_costs_the_same_at_ten_thousand_findings(
    client_of: ClientOf, viewer: User, django_assert_num_queries: Callable[..., Any]
) -> None:
    client = client_of(viewer)
    with django_assert_num_queries(20, exact=False) as few:
        client.get("/hygiene/")
    one, other = HygieneFinding.objects.first(), ApplicationFactory()
    assert one is not None
    for place in (one.application, other):
        HygieneFinding.objects.bulk_create(
            HygieneFinding(
                application=place,
                code="no_owner",
                target=f"app_key:{place.pk}{number}",
                found_at=timezone.now(),
            )
            for number in range(10_000)
        )
    with django_assert_num_queries(len(few)):
        page = client.get("/hygiene/").content.decode()
    assert "1–50 of 10,004" in page


@pytest.mark.usefixtures("inbox")
def test_a_finding_says_why_it_matters_and_since_when(client_of: ClientOf, viewer: User) -> None:
    page = client_of(viewer).get("/hygiene/").content.decode()
    assert "Nobody knows whom to ask about it." in page
    assert re.search(r"found <time[^>]* data-style=.day.", page)
    assert 'data-label="Since">–' not in page


def test_a_rules_times_are_words(client_of: ClientOf, viewer: User, rule: Rule) -> None:
    rule("old_version", {"hours": 1}, cooldown_seconds=7200)
    rule("error_rate", {"minutes": 1, "calls": 1})
    page = client_of(viewer).get("/alerts/").content.decode()
    assert ">1 hour</div>" in page
    assert "in 1 minute, of at least 1 call, for each application" in page


def test_a_time_that_no_form_offers_is_said_in_words(
    client_of: ClientOf, owner: User, rule: Rule
) -> None:
    made = rule(cooldown_seconds=7200)
    form = client_of(owner).get(f"/alerts/rules/{made.pk}/").content.decode()
    assert "At most once in 2 hours" in form


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/hygiene/?code=dust", "no kind of finding “dust” to choose"),
        ("/hygiene/?application=nowhere", "no application “nowhere” to choose"),
        ("/hygiene/?snoozed=maybe", "no snoozed “maybe” to choose"),
        ("/hygiene/?page=x", "no page “x” to choose here. This is page 1 of 1"),
        ("/alerts/deliveries/?page=x", "no page “x” to choose"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told(
    address: str, words: str, client_of: ClientOf, owner: User, application: Application
) -> None:
    page = client_of(owner).get(address).content.decode()
    assert words in page
    assert "The same page without filters" in page
