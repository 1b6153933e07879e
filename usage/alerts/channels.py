"""The door for channels: made, changed, tested and deleted here, each with its audit event.

An address goes in and never comes out again; a signing secret comes out once, when it is made.
"""

from collections.abc import Sequence
from datetime import timedelta

import uuid_utils.compat as uuids
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys import audit, vault
from keys.audit import Action, Actor
from keys.lifecycle import Conflict, Invalid
from keys.lifecycle.inputs import clean_email, clean_name
from keys.models import Application
from keys.sign_in.invitations import can_mail
from keys.vault import Secret
from usage.alerts import addresses, delivering, outbox, words
from usage.alerts.rules import hold
from usage.models import AlertChannel, AlertDelivery, AlertNotice

KINDS = ("email", "webhook", "slack")
DIGESTS = ("", "hourly", "daily")
MOST_CHANNELS = 50  # of one application, and of the installation
MOST_RECIPIENTS = 20
MOST_TESTS = 10  # of one application's channels in a minute: each may be twenty mails to anybody


def create_channel(
    actor: Actor,
    application: Application | None,
    *,
    name: str,
    kind: str,
    url: str = "",
    recipients: Sequence[str] = (),
    digest: str = "",
    hears_site: bool = True,
) -> tuple[AlertChannel, Secret | None]:
    """A new channel, and of a webhook the secret that signs: shown once. Raises Invalid."""
    if kind not in KINDS:
        raise Invalid("kind", f"A channel is one of {', '.join(KINDS)}.")
    channel = AlertChannel(application=application, kind=kind, name=clean_name(name))
    secret = addresses.new_secret() if kind == "webhook" else None
    vault.ensure_system_secrets()  # and the data key they are sealed under
    _fill(channel, recipients, digest, hears_site)
    if kind != "email":
        addresses.seal_url(channel, addresses.clean_url(url))
    if secret is not None:
        addresses.seal_secret(channel, secret)
    with transaction.atomic():
        hold(actor, application)
        if AlertChannel.objects.filter(application=application).count() >= MOST_CHANNELS:
            raise Conflict(f"There are {MOST_CHANNELS} channels already: delete one first.")
        channel.save(force_insert=True)
        _note(actor, Action.ALERT_CHANNEL_CREATED, channel)
    return channel, secret


def change_channel(
    actor: Actor,
    channel: AlertChannel,
    *,
    name: str,
    url: str = "",
    recipients: Sequence[str] = (),
    digest: str = "",
    hears_site: bool = True,
    enabled: bool = True,
) -> None:
    """Give the channel these fields; without a `url` its address stays."""
    with transaction.atomic():
        hold(actor, channel.application)
        row = _held(channel)
        row.name, row.enabled = clean_name(name), enabled
        _fill(row, recipients, digest, hears_site)
        if url and row.kind != "email":
            addresses.seal_url(row, addresses.clean_url(url))
            row.failing_since = None
        row.save()
        _note(actor, Action.ALERT_CHANNEL_CHANGED, row, new_address=bool(url))
    channel.refresh_from_db()


def new_secret(actor: Actor, channel: AlertChannel) -> Secret:
    """Another signing secret in place of a webhook's: the old one signs nothing any more."""
    if channel.kind != "webhook":
        raise Conflict("Only a webhook's messages are signed.")
    secret = addresses.new_secret()
    with transaction.atomic():
        hold(actor, channel.application)
        row = _held(channel)
        addresses.seal_secret(row, secret)
        row.save(update_fields=["sealed_secret"])
        _note(actor, Action.ALERT_CHANNEL_CHANGED, row, new_secret=True)
    return secret


def delete_channel(actor: Actor, channel: AlertChannel) -> None:
    with transaction.atomic():
        hold(actor, channel.application)
        row = _held(channel)
        if row.preset:
            raise Conflict("The built-in channel is turned off, not deleted.")
        _note(actor, Action.ALERT_CHANNEL_DELETED, row)
        row.delete()


def test_channel(actor: Actor, channel: AlertChannel) -> AlertDelivery:
    """Sends a test now and says what came of it."""
    if channel.kind == "email" and not can_mail():
        raise Conflict("No mail goes out from here: the operator sets EMAIL_URL first.")
    now = timezone.now()
    with transaction.atomic():
        hold(actor, channel.application)
        row = _held(channel)
        if not row.enabled:
            raise Conflict("This channel is turned off.")
        told = AlertNotice.objects.filter(rule=None, application=row.application_id or "")
        if told.filter(at__gt=now - timedelta(minutes=1)).count() >= MOST_TESTS:
            raise Conflict(f"{MOST_TESTS} tests were sent in a minute: wait for the next.")
        notice = AlertNotice.objects.create(
            id=uuids.uuid7(),
            application=row.application_id or "",
            at=now,
            alerts=[words.test_alert(row.name, now, reverse("alerts"))],
        )
        outbox.send(notice, [row], now)
        _note(actor, Action.ALERT_CHANNEL_TESTED, row)
    return delivering.deliver_now(notice.deliveries.select_related("notice", "channel").get())


def _fill(channel: AlertChannel, recipients: Sequence[str], digest: str, hears_site: bool) -> None:
    if digest not in DIGESTS:
        raise Invalid("digest", "hourly, daily, or empty for at once.")
    if recipients and channel.kind != "email":
        raise Invalid("recipients", "Only e-mail has recipients.")
    if len(recipients) > MOST_RECIPIENTS:
        raise Invalid("recipients", f"At most {MOST_RECIPIENTS} addresses.")
    try:
        channel.recipients = list(dict.fromkeys(map(clean_email, recipients)))
    except Invalid as error:
        raise Invalid("recipients", error.message) from None
    channel.digest = digest
    channel.hears_site = hears_site and channel.application_id is not None


def _held(channel: AlertChannel) -> AlertChannel:
    rows = AlertChannel.objects.select_for_update(of=("self",)).select_related("application")
    row = rows.filter(pk=channel.pk).first()
    if row is None:
        raise Conflict("This channel is gone.")
    return row


def _note(actor: Actor, action: Action, channel: AlertChannel, **more: object) -> None:
    told = {
        "kind": channel.kind,
        "host": channel.host,
        "recipients": channel.recipients,
        "digest": channel.digest,
        "enabled": channel.enabled,
        **more,
    }
    target = f"alert_channel:{channel.pk}"
    audit.record(actor, action, target, channel.application, name=channel.name, **told)
