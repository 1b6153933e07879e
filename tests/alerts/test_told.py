"""What is said to be told was told: a channel took it, and a rule that tells nobody says so."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from keys.models import Application, ProviderKey, User
from tests.alerts.conftest import Rule, evaluate
from tests.factories import ApiTokenFactory
from tests.rest.conftest import Rest
from tests.upstream import Upstream
from usage.alerts import defaults
from usage.alerts.delivering import deliver_due
from usage.alerts.forgetting import NOTICES_KEPT, forget
from usage.models import AlertChannel, AlertDelivery, AlertNotice, AlertRule, AlertState

RestOf = Callable[..., Rest]
ClientOf = Callable[..., Client]
BODY = {"application": "shop", "name": "Ours", "condition": "verdict"}


@pytest.fixture
def rest() -> RestOf:
    return lambda user: Rest(ApiTokenFactory(user=user).plaintext)


@pytest.fixture
def told_at(rest: RestOf, viewer: User) -> Callable[[], Any]:
    """When the one alert that fires was told, as REST says."""

    def ask() -> Any:
        (fires,) = rest(viewer).get("/alerts/firing").json["items"]
        return fires["told_at"]

    return ask


def dies() -> None:
    ProviderKey.objects.update(verdict="dead")
    evaluate()


@pytest.mark.usefixtures("provider_key")
def test_an_alert_that_no_channel_was_there_for_was_told_to_nobody(
    rule: Rule, told_at: Callable[[], Any], client_of: ClientOf, viewer: User
) -> None:
    rule()
    dies()
    deliver_due()
    assert told_at() is None
    assert "told nobody" in client_of(viewer).get("/alerts/").content.decode()


@pytest.mark.usefixtures("provider_key")
def test_an_alert_is_told_when_the_first_channel_takes_it(
    rule: Rule,
    webhook: AlertChannel,
    receiver: Upstream,
    told_at: Callable[[], Any],
    client_of: ClientOf,
    viewer: User,
) -> None:
    receiver.answer(500)
    rule(channels=[webhook.pk])
    dies()
    deliver_due()
    page = client_of(viewer)
    assert told_at() is None
    assert "no channel has taken it yet" in page.get("/alerts/").content.decode()
    receiver.answer(200)
    deliver_due(AlertDelivery.objects.get().next_at)
    finished = AlertDelivery.objects.get().finished_at
    assert finished is not None
    assert told_at()[:19] == f"{finished:%Y-%m-%dT%H:%M:%S}"
    assert "no channel has taken it yet" not in page.get("/alerts/").content.decode()


@pytest.mark.usefixtures("provider_key")
def test_what_an_alert_says_now_is_not_told_because_its_first_words_were(
    rule: Rule, webhook: AlertChannel, receiver: Upstream, told_at: Callable[[], Any]
) -> None:
    rule(channels=[webhook.pk])
    ProviderKey.objects.update(verdict="exhausted")
    evaluate()
    deliver_due()
    assert told_at() is not None
    receiver.answer(500)
    dies()
    deliver_due()
    assert told_at() is None


@pytest.mark.usefixtures("provider_key")
def test_what_fires_for_months_does_not_forget_that_it_was_told(
    rule: Rule, webhook: AlertChannel, told_at: Callable[[], Any]
) -> None:
    rule(channels=[webhook.pk])
    dies()
    deliver_due()
    later = timezone.now() + NOTICES_KEPT + timedelta(days=1)
    forget(later)
    assert told_at() is not None
    AlertState.objects.update(ended_at=timezone.now())
    forget(later)
    assert not AlertNotice.objects.exists()


def test_a_rule_without_a_channel_says_that_it_tells_nobody(
    rest: RestOf, owner: User, application: Application, webhook: AlertChannel
) -> None:
    api = rest(owner)
    made = api.post("/alerts/rules", BODY)
    assert made.status == 201
    assert made.json["tells_nobody"] == "No channel is chosen: add one."
    one = f"/alerts/rules/{made.json['id']}"
    assert api.patch(one, {"channels": [webhook.pk]}).json["tells_nobody"] == ""
    api.patch(f"/alerts/channels/{webhook.pk}", {"enabled": False})
    assert "turned off" in api.get(one).json["tells_nobody"]


def test_a_rule_that_only_mails_says_when_no_mail_goes_out(
    rest: RestOf, owner: User, application: Application, settings: Settings
) -> None:
    built_in = AlertChannel.objects.get(preset=defaults.CHANNEL)
    api = rest(owner)
    told = api.post("/alerts/rules", {**BODY, "channels": [built_in.pk]}).json
    assert told["tells_nobody"] == ""
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert "EMAIL_URL" in api.get(f"/alerts/rules/{told['id']}").json["tells_nobody"]


def test_a_rule_for_everything_is_heard_by_channels_of_applications_that_listen(
    rest: RestOf, admin: User, webhook: AlertChannel
) -> None:
    api = rest(admin)
    body = {"name": "All", "condition": "verdict"}
    one = f"/alerts/rules/{api.post('/alerts/rules', body).json['id']}"
    assert api.get(one).json["tells_nobody"] == ""
    AlertChannel.objects.filter(pk=webhook.pk).update(hears_site=False)
    assert api.get(one).json["tells_nobody"] == "No channel is chosen: add one."
    lag = api.post("/alerts/rules", {"name": "Lag", "condition": "spool_lag"}).json
    assert lag["tells_nobody"]


def test_the_page_says_where_a_rule_tells_nobody_and_offers_what_helps(
    client_of: ClientOf, owner: User, rule: Rule, webhook: AlertChannel
) -> None:
    client = client_of(owner)
    form = {"application": "shop", "name": "Failing", "condition": "unused", "enabled": "on"}
    form |= {"cooldown_seconds": "300"}
    page = client.post("/alerts/rules/new/", form, follow=True).content.decode()
    assert "The rule Failing tells nobody. No channel is chosen: add one." in page
    assert "1 rule tells nobody." in page
    assert ">tells nobody</span>" in page
    made = AlertRule.objects.get()
    client.post(f"/alerts/rules/{made.pk}/", {**form, "channels": [webhook.pk]})
    assert "tells nobody" not in client.get("/alerts/").content.decode()


def test_a_new_rule_starts_with_the_built_in_channel(client_of: ClientOf, owner: User) -> None:
    built_in = AlertChannel.objects.get(preset=defaults.CHANNEL)
    form = client_of(owner).get("/alerts/rules/new/").content.decode()
    assert f'value="{built_in.pk}"' in form
    box = form[form.index(f'value="{built_in.pk}"') :].partition(">")[0]
    assert "checked" in box
