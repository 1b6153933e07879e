"""What is told gets there: signed, at least once, again for a day, as a digest where asked for."""

import base64
import hashlib
import hmac
import json
import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from keys import vault
from keys.audit import Actor
from keys.models import Application, ProviderKey, User
from keys.states import Role
from tests.alerts.conftest import HOOK, Rule, evaluate
from tests.factories import MembershipFactory
from tests.upstream import Received, Upstream
from usage.alerts import channels, delivering
from usage.alerts.delivering import GIVE_UP_AFTER, LONGEST_WAIT, deliver_due, wait_after
from usage.models import AlertChannel, AlertDelivery, AlertRule

ENVELOPE = {"id", "type", "site", "alerts", "more"}


@pytest.fixture
def fire(rule: Rule, provider_key: ProviderKey) -> Any:
    """`fire(channel)`: a rule that tells this channel, and a key that dies."""

    def go(channel: AlertChannel, verdict: str = "dead") -> None:
        if not AlertRule.objects.filter(channels=channel).exists():
            rule(channels=[channel.pk])
        ProviderKey.objects.update(verdict=verdict)
        evaluate()

    return go


def signed_by(secret: str, received: Received) -> bool:
    """How a receiver verifies, written anew from the documentation."""
    id, at = received.header("webhook-id"), received.header("webhook-timestamp")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = hmac.new(key, f"{id}.{at}.".encode() + received.body, hashlib.sha256).digest()
    return received.header("webhook-signature") == f"v1,{base64.b64encode(wanted).decode()}"


def test_a_webhook_gets_a_signed_message(
    actor: Actor, application: Application, receiver: Upstream, fire: Any
) -> None:
    channel, secret = channels.create_channel(
        actor, application, name="Ops", kind="webhook", url=receiver.url + HOOK
    )
    assert secret is not None
    fire(channel)
    assert deliver_due() == 1
    (got,) = receiver.requests
    assert (got.method, got.target) == ("POST", HOOK)
    assert signed_by(secret.reveal(), got)
    assert not signed_by(addresses_of_another(), got)
    body = got.json()
    assert set(body) == ENVELOPE
    assert body["type"] == "alert"
    assert body["id"] == got.header("webhook-id")
    assert body["alerts"][0]["title"] == "Shop · Main account is dead"
    row = AlertDelivery.objects.get()
    assert (row.state, row.status, row.attempts, len(row.log)) == ("sent", 200, 1, 1)


def addresses_of_another() -> str:
    return "whsec_" + base64.b64encode(b"x" * 32).decode()


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_what_is_not_taken_is_tried_again_with_the_same_id(
    status: int, receiver: Upstream, webhook: AlertChannel, fire: Any
) -> None:
    receiver.answer(status, b"no", headers={"Location": f"{receiver.url}/elsewhere"})
    fire(webhook)
    deliver_due()
    row = AlertDelivery.objects.get()
    assert (row.state, row.status, row.answer) == ("pending", status, "no")
    assert row.next_at > timezone.now()
    assert deliver_due() == 0
    receiver.answer(200)
    assert deliver_due(row.next_at) == 1
    first, second = receiver.requests
    assert first.target == second.target == HOOK  # no redirect is followed
    assert first.header("webhook-id") == second.header("webhook-id")
    assert AlertDelivery.objects.get().state == "sent"
    assert [one["status"] for one in AlertDelivery.objects.get().log] == [status, 200]


def test_a_receiver_that_hangs_up_counts_as_one_that_refuses(
    receiver: Upstream, webhook: AlertChannel, fire: Any
) -> None:
    receiver.answer(hang_up=True)
    fire(webhook)
    deliver_due()
    row = AlertDelivery.objects.get()
    assert (row.state, row.status) == ("pending", 0)
    assert "receiver" in row.answer
    webhook.refresh_from_db()
    assert webhook.failing_since is not None


def test_after_a_day_it_is_given_up(receiver: Upstream, webhook: AlertChannel, fire: Any) -> None:
    receiver.answer(500)
    fire(webhook)
    AlertDelivery.objects.update(created_at=timezone.now() - GIVE_UP_AFTER)
    deliver_due()
    row = AlertDelivery.objects.get()
    assert (row.state, row.finished_at is not None) == ("given_up", True)
    assert deliver_due(timezone.now() + timedelta(days=2)) == 0


def test_the_waits_double_up_to_two_hours_and_fill_a_day() -> None:
    waits = [wait_after(attempt) for attempt in range(1, 40)]
    assert all(wait <= LONGEST_WAIT * 1.1 for wait in waits)
    assert timedelta(seconds=10) <= waits[0] <= timedelta(seconds=11)
    tried, spent = 0, timedelta()
    while spent < GIVE_UP_AFTER:
        spent += waits[tried]
        tried += 1
    assert 15 <= tried <= delivering.LOGGED


def test_the_receivers_words_are_kept_without_our_secrets(
    receiver: Upstream, webhook: AlertChannel, fire: Any
) -> None:
    receiver.answer(400, f"bad {receiver.url}{HOOK} and T0ken0fTheHook9876 and AnotherPartOfIt55")
    fire(webhook)
    deliver_due()
    said = AlertDelivery.objects.get().answer
    assert said.startswith("bad ")
    assert "T0ken" not in said
    assert "Another" not in said


def test_slack_gets_its_own_shape(
    actor: Actor, application: Application, receiver: Upstream, fire: Any
) -> None:
    application.name = "A<b> & C"
    application.save()
    channel, secret = channels.create_channel(
        actor, application, name="Chat", kind="slack", url=receiver.url + HOOK
    )
    assert secret is None
    fire(channel)
    deliver_due()
    body = receiver.requests[0].json()
    assert set(body) == {"text"}
    assert body["text"].startswith("*A&lt;b&gt; &amp; C · Main account is dead*\n")
    assert "Likely cause: " in body["text"]


@pytest.mark.parametrize(
    "name",
    [
        "@channel", "@here", "@all", "<!channel>", "<@U012AB3CD>", "~town-square", "#general",
        "https://evil.example", "www.evil.example", "mailto:a@b.example",
        "[click](https://evil.example)", "![seen](http://evil.example/x.png)",
        "<https://evil.example|click>", "*bold*", "_sloped_", "~gone~", "`code`", "```", "a|b",
    ],
)  # fmt: skip
def test_a_name_means_nothing_to_a_chat(
    actor: Actor, application: Application, receiver: Upstream, fire: Any, name: str
) -> None:
    application.name = name
    application.save()
    channel, _ = channels.create_channel(
        actor, application, name="Chat", kind="slack", url=receiver.url + HOOK
    )
    fire(channel)
    deliver_due()
    head, _, lines = receiver.requests[0].json()["text"].partition("\n")
    ours = "http://localhost:8000/"
    assert head[0] == head[-1] == "*"
    assert "is dead" in head
    assert ours in lines  # that is a link still
    text = head[1:-1] + lines.replace(ours, "")
    assert name not in text
    assert not re.search(r"[@#]\w|[<*`~|]|://|www\.|mailto:\w|\]\(|!\[|(?<!\w)_|_(?!\w)", text)


def test_mail_goes_to_the_owners_each_by_themselves(
    actor: Actor, application: Application, owner: User, viewer: User, fire: Any
) -> None:
    second = MembershipFactory(application=application, role=Role.OWNER).user
    channel, _ = channels.create_channel(actor, application, name="Mail", kind="email")
    fire(channel)
    deliver_due()
    assert sorted(sent.to for sent in mail.outbox) == sorted([[owner.email], [second.email]])
    text = mail.outbox[0].body
    for part in (
        "Since: ",
        "Likely cause: ",
        "What to do: ",
        "http://localhost:8000/applications/",
    ):
        assert part in text
    assert mail.outbox[0].extra_headers["X-Keydeck-Delivery"] == str(AlertDelivery.objects.get().pk)


def test_without_a_mail_server_no_mail_waits(
    actor: Actor, application: Application, fire: Any, settings: Settings
) -> None:
    channel, _ = channels.create_channel(actor, application, name="Mail", kind="email")
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    fire(channel)
    assert not AlertDelivery.objects.exists()


def test_a_digest_goes_out_as_one_message_at_its_time(
    actor: Actor, application: Application, receiver: Upstream, fire: Any
) -> None:
    channel, _ = channels.create_channel(
        actor, application, name="Ops", kind="webhook", url=receiver.url + HOOK, digest="hourly"
    )
    fire(channel)
    fire(channel, "live")
    assert deliver_due() == 0
    assert deliver_due(timezone.now() + timedelta(hours=1)) == 1
    body = receiver.requests[0].json()
    assert body["type"] == "digest"
    assert [alert["kind"] for alert in body["alerts"]] == ["fired", "ended"]
    assert len({alert["id"] for alert in body["alerts"]}) == 2
    assert AlertDelivery.objects.filter(state="sent").count() == 2


def test_a_sealed_vault_puts_it_off(webhook: AlertChannel, fire: Any, settings: Settings) -> None:
    fire(webhook)
    masters, settings.MASTER_KEYS = settings.MASTER_KEYS, ""
    vault.forget()
    assert deliver_due() == 0
    assert AlertDelivery.objects.get().attempts == 0
    settings.MASTER_KEYS = masters
    vault.forget()
    assert deliver_due(timezone.now() + timedelta(minutes=2)) == 1


def test_a_channel_that_is_off_gets_nothing(
    receiver: Upstream, webhook: AlertChannel, fire: Any
) -> None:
    fire(webhook)
    AlertChannel.objects.filter(pk=webhook.pk).update(enabled=False)
    assert deliver_due() == 0
    assert receiver.requests == []


def test_an_address_that_leads_inside_is_not_asked(
    receiver: Upstream, webhook: AlertChannel, fire: Any, settings: Settings
) -> None:
    """The operator's allowance was taken back since, or a name leads elsewhere now."""
    settings.OUTBOUND_ALLOW = []
    fire(webhook)
    deliver_due()
    assert receiver.requests == []
    assert AlertDelivery.objects.get().status == 0


def test_what_a_dead_worker_was_sending_is_sent_again(
    receiver: Upstream, webhook: AlertChannel, fire: Any
) -> None:
    fire(webhook)
    now = timezone.now()
    AlertDelivery.objects.update(lease_until=now + delivering.LEASE)
    assert deliver_due(now) == 0
    assert deliver_due(now + delivering.LEASE) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_time_send_each_message_once(
    receiver: Upstream, webhook: AlertChannel, fire: Any
) -> None:
    for verdict in ("dead", "live") * 5:
        fire(webhook, verdict)
    count = AlertDelivery.objects.count()
    assert count == 10

    def carry() -> None:
        try:
            deliver_due(timezone.now() + timedelta(seconds=1))
        finally:
            connection.close()

    workers = [threading.Thread(target=carry) for _ in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ids = [json.loads(got.body)["id"] for got in receiver.requests]
    assert len(ids) == len(set(ids)) == count
