"""Channels: what may be one, and that an address and a secret never come out again."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from pytest_django import Settings

from keys import vault
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import Application, AuditEvent, User
from tests.alerts.conftest import HOOK
from tests.upstream import Upstream
from usage.alerts import addresses, channels, defaults
from usage.models import AlertChannel, AlertDelivery, AlertRule


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "ftp://example.com/x",
        "http://example.com/x",
        "https://",
        "https://127.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://localhost/x",
        "https://[::1]/x",
        "https://user:pass@example.com/x",
        "https://0x7f000001/x",
        "https://intranet/x",
        "https://exämple.com/x",
        "https://example.com/a b",
        "https://example.com:99999/x",
        "https://example.com/" + "x" * 1000,
    ],
)
@pytest.mark.parametrize("kind", ["webhook", "slack"])
def test_an_address_is_https_on_the_open_internet(
    kind: str, url: str, actor: Actor, application: Application
) -> None:
    with pytest.raises(Invalid) as refused:
        channels.create_channel(actor, application, name="Ops", kind=kind, url=url)
    assert refused.value.field == "url"


@pytest.mark.parametrize("url", ["ftp://example.com/x", "https://", "example.com"])
def test_what_is_no_web_address_is_not_said_to_be_a_matter_of_leave(
    url: str, actor: Actor, application: Application
) -> None:
    with pytest.raises(Invalid, match="starts with https://") as refused:
        channels.create_channel(actor, application, name="Ops", kind="webhook", url=url)
    assert "KEYDECK_OUTBOUND_ALLOW" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "pigeon"}, "kind"),
        ({"name": " "}, "name"),
        ({"digest": "weekly"}, "digest"),
        ({"recipients": ["nobody"]}, "recipients"),
        ({"recipients": [f"a{n}@example.com" for n in range(21)]}, "recipients"),
    ],
)
def test_what_can_not_be_a_channel_says_which_field(
    fields: dict[str, Any], field: str, actor: Actor, application: Application
) -> None:
    with pytest.raises(Invalid) as refused:
        channels.create_channel(actor, application, **{"name": "N", "kind": "email", **fields})
    assert refused.value.field == field


def test_address_and_secret_are_sealed_and_told_nowhere(
    actor: Actor, application: Application, receiver: Upstream
) -> None:
    channel, secret = channels.create_channel(
        actor, application, name="Ops", kind="webhook", url=receiver.url + HOOK
    )
    assert secret is not None
    assert addresses.opened(channel).url.reveal() == receiver.url + HOOK
    assert addresses.opened(channel).secret == secret
    assert channel.host == "127.0.0.1"
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - names from the schema
            rows = str(cursor.fetchall())
            assert "T0ken0fTheHook" not in rows, table
            assert secret.reveal().removeprefix("whsec_") not in rows, table
    assert "T0ken" not in repr(addresses.opened(channel))


def test_another_channels_address_does_not_open_here(
    actor: Actor, application: Application, receiver: Upstream
) -> None:
    one, two = (
        channels.create_channel(
            actor, application, name=name, kind="slack", url=f"{receiver.url}/{name}"
        )[0]
        for name in ("one", "two")
    )
    two.sealed_url = one.sealed_url
    with pytest.raises(vault.Undecryptable):
        addresses.opened(two)


def test_a_change_keeps_the_address_unless_there_is_a_new_one(
    actor: Actor, webhook: AlertChannel, receiver: Upstream
) -> None:
    channels.change_channel(actor, webhook, name="Renamed", digest="daily")
    assert addresses.opened(webhook).url.reveal() == receiver.url + HOOK
    assert (webhook.name, webhook.digest) == ("Renamed", "daily")
    channels.change_channel(actor, webhook, name="Renamed", url=f"{receiver.url}/new")
    assert addresses.opened(webhook).url.reveal() == f"{receiver.url}/new"


def test_a_new_secret_takes_the_old_ones_place(actor: Actor, webhook: AlertChannel) -> None:
    before = addresses.opened(webhook).secret
    made = channels.new_secret(actor, webhook)
    webhook.refresh_from_db()
    assert addresses.opened(webhook).secret == made != before


def test_a_test_is_sent_at_once_and_says_what_came_of_it(
    actor: Actor, webhook: AlertChannel, receiver: Upstream
) -> None:
    assert channels.test_channel(actor, webhook).state == "sent"
    assert receiver.requests[0].json()["type"] == "test"
    receiver.answer(404, b"no such hook")
    refused = channels.test_channel(actor, webhook)
    assert (refused.state, refused.status, refused.answer) == ("given_up", 404, "no such hook")


def test_tests_flood_nobody(
    actor: Actor, application: Application, webhook: AlertChannel, receiver: Upstream
) -> None:
    for _ in range(channels.MOST_TESTS):
        channels.test_channel(actor, webhook)
    with pytest.raises(Conflict, match="wait"):
        channels.test_channel(actor, webhook)
    channels.delete_channel(actor, webhook)
    again, _ = channels.create_channel(actor, application, name="Again", kind="email")
    with pytest.raises(Conflict, match="wait"):
        channels.test_channel(actor, again)
    assert len(receiver.requests) == channels.MOST_TESTS


def test_a_test_of_a_digest_does_not_wait(
    actor: Actor, webhook: AlertChannel, receiver: Upstream
) -> None:
    channels.change_channel(actor, webhook, name="Ops", digest="daily")
    assert channels.test_channel(actor, webhook).state == "sent"


def test_mail_is_not_tested_where_none_goes_out(
    actor: Actor, application: Application, settings: Settings
) -> None:
    channel, _ = channels.create_channel(actor, application, name="Mail", kind="email")
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    with pytest.raises(Conflict, match="EMAIL_URL"):
        channels.test_channel(actor, channel)


def test_every_act_is_audited_without_a_secret(actor: Actor, webhook: AlertChannel) -> None:
    channels.test_channel(actor, webhook)
    channels.change_channel(actor, webhook, name="Ops")
    channels.new_secret(actor, webhook)
    channels.delete_channel(actor, webhook)
    events = AuditEvent.objects.filter(target=f"alert_channel:{webhook.pk}").order_by("pk")
    assert [event.action for event in events] == [
        "alert_channel.created",
        "alert_channel.tested",
        "alert_channel.changed",
        "alert_channel.changed",
        "alert_channel.deleted",
    ]
    told = str([event.detail for event in events])
    assert "T0ken" not in told
    assert "whsec_" not in told
    assert not AlertDelivery.objects.exists()


def test_the_built_in_channel_is_not_deleted(admin: User) -> None:
    built_in = AlertChannel.objects.get(preset=defaults.CHANNEL)
    with pytest.raises(Conflict, match="turned off"):
        channels.delete_channel(Actor.person(admin), built_in)


def test_the_installations_channels_are_the_site_admins(owner: User) -> None:
    with pytest.raises(PermissionDenied):
        channels.create_channel(Actor.person(owner), None, name="Mail", kind="email")


def test_the_built_in_rules_come_back_and_keep_what_was_changed(db: None) -> None:
    defaults.ensure()
    assert set(AlertRule.objects.values_list("preset", flat=True)) == set(defaults.RULES)
    assert all(rule.channels.count() == 1 for rule in AlertRule.objects.all())
    AlertRule.objects.filter(preset="verdict").update(enabled=False, name="Mine")
    defaults.ensure()
    assert AlertRule.objects.count() == len(defaults.RULES)
    assert AlertRule.objects.get(preset="verdict").name == "Mine"
