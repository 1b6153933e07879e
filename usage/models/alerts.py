"""Alerts: rules, where they are told, what fires now, and what is on its way to people."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from keys.models import Application
from keys.models.ids import new_id


class AlertChannel(models.Model):
    """Where alerts are told. Its address and its secret are opened by `usage.alerts` alone.

    Without an application it is the installation's.
    """

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    application = models.ForeignKey(
        Application, models.CASCADE, null=True, related_name="alert_channels"
    )
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=8)  # email, webhook or slack
    # E-mail addresses; none of them: the application's owners, or the site admins.
    recipients = models.JSONField(default=list)
    host = models.CharField(max_length=253, blank=True)  # of its address: all that is shown
    # Sealed under the system's data key (DESIGN decision 13): the address holds a token.
    sealed_url = models.TextField(blank=True)
    sealed_secret = models.TextField(blank=True)  # that signs a webhook's messages
    digest = models.CharField(max_length=6, blank=True)  # hourly or daily; empty: at once
    enabled = models.BooleanField(default=True)
    # Whether it is told, too, what the installation's rules find in its application.
    hears_site = models.BooleanField(default=True)
    preset = models.CharField(max_length=30, blank=True)  # of a built-in one
    created_at = models.DateTimeField(auto_now_add=True)
    failing_since = models.DateTimeField(null=True)  # nothing got through since

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["preset"], condition=~Q(preset=""), name="one_alert_channel_of_a_preset"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"


class AlertRule(models.Model):
    """What is looked for, where, and whom it is told to.

    Without an application it looks everywhere, and its alerts go to whom each of them concerns.
    """

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    application = models.ForeignKey(
        Application, models.CASCADE, null=True, related_name="alert_rules"
    )
    provider = models.CharField(max_length=50, blank=True)  # slug; empty: any
    key = models.CharField(max_length=40, blank=True)  # "provider_key:<id>"; empty: any
    name = models.CharField(max_length=100)
    condition = models.CharField(max_length=20)  # of usage.alerts.conditions
    params = models.JSONField(default=dict)
    enabled = models.BooleanField(default=True)
    cooldown_seconds = models.PositiveIntegerField(default=3600)
    tells_recovery = models.BooleanField(default=True)
    channels = models.ManyToManyField(AlertChannel, related_name="rules")
    preset = models.CharField(max_length=30, blank=True)  # of a built-in one
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    # Its place in the queue: due time and lease (DESIGN decision 14).
    next_at = models.DateTimeField(auto_now_add=True)
    lease_until = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)  # why the last look failed

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["preset"], condition=~Q(preset=""), name="one_alert_rule_of_a_preset"
            ),
        ]
        indexes = [
            # usage.alerts.evaluating: what is due
            models.Index(fields=["next_at"], name="alert_rule_due"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.condition})"


class AlertState(models.Model):
    """What one rule knows of one subject: since when it fires, and when that was told."""

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="states")
    subject = models.CharField(max_length=90)  # "provider_key:<id>", "provider:<slug>", …
    application = models.CharField(max_length=12, blank=True)  # id; empty: of the installation
    provider = models.CharField(max_length=50, blank=True)
    level = models.CharField(max_length=7)  # danger, warning or info
    what = models.CharField(max_length=60)  # a change of it is told anew
    told = models.JSONField(default=dict)  # title, evidence, cause, remedy, url
    firing_since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)  # put into the outbox
    told_what = models.CharField(max_length=60, blank=True)  # empty: this firing was not told

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule", "subject"], name="one_alert_state"),
        ]
        indexes = [
            # what fires now
            models.Index(fields=["ended_at", "-firing_since"], name="alert_firing"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.what}"


class AlertNotice(models.Model):
    """Something to tell: written in the transaction that found it."""

    id = models.UUIDField(primary_key=True)
    rule = models.ForeignKey(AlertRule, models.SET_NULL, null=True, related_name="+")
    application = models.CharField(max_length=12, blank=True)
    provider = models.CharField(max_length=50, blank=True)
    at = models.DateTimeField(db_index=True)
    alerts = models.JSONField()  # usage.alerts.words: a list of what is told
    more = models.PositiveIntegerField(default=0)  # alerts beyond those

    def __str__(self) -> str:
        return str(self.id)


class AlertDelivery(models.Model):
    """One notice on its way to one channel, until it came through or was given up."""

    id = models.UUIDField(primary_key=True)
    notice = models.ForeignKey(AlertNotice, models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(AlertChannel, models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=8, default="pending")  # pending, sent, given_up
    created_at = models.DateTimeField()
    next_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    # Of the last attempt; `log` has all of them: at, status, ms, answer.
    status = models.PositiveIntegerField(default=0)  # HTTP; 0: no answer, or e-mail
    answer = models.CharField(max_length=200, blank=True)  # its first bytes, redacted
    log = models.JSONField(default=list)

    class Meta:
        indexes = [
            # usage.alerts.delivering: what is due
            models.Index(fields=["state", "next_at"], name="alert_delivery_due"),
            # the log, newest first
            models.Index(fields=["-created_at", "-id"], name="alert_delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.state}"


class HygieneFinding(models.Model):
    """Something about a key that ought to be tidied up. Written by `usage.hygiene`."""

    application = models.ForeignKey(Application, models.CASCADE, related_name="hygiene_findings")
    code = models.CharField(max_length=20)
    target = models.CharField(max_length=40)  # "app_key:<id>"
    name = models.CharField(max_length=100)  # of the key, when it was found
    detail = models.JSONField(default=dict)
    since = models.DateTimeField(null=True)
    found_at = models.DateTimeField()
    snoozed_until = models.DateTimeField(null=True)
    snoozed_by = models.CharField(max_length=254, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["target", "code"], name="one_hygiene_finding"),
        ]
        indexes = [
            # the inbox of some applications, and its count on every page
            models.Index(fields=["application", "code", "snoozed_until"], name="hygiene_inbox"),
        ]

    def __str__(self) -> str:
        return f"{self.code} of {self.target}"
