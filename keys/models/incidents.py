"""Providers in trouble, and what is asked of each provider: its lane and its probes."""

from django.db import models
from django.db.models import Q


class Incident(models.Model):
    """A time in which most keys of a provider gave no clear answer. Written by `keys.incidents`."""

    provider = models.SlugField(max_length=50)  # where it was noticed
    # `provider`, or `network`: nobody answers at all, so the fault is on our side of the wire
    # and the incident covers every provider.
    cause = models.CharField(max_length=8, default="provider")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    last_unclear_at = models.DateTimeField()
    keys_affected = models.PositiveIntegerField()  # the most that were unclear at once
    # The unclear answer that was seen last: status (0: none came), code and message, redacted;
    # `unclear` of `asked` keys at the opening.
    evidence = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider"], condition=Q(closed_at=None), name="one_open_incident"
            ),
        ]
        indexes = [
            # the latest ones, of a page and of the alerts
            models.Index(fields=["-opened_at"], name="incident_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} since {self.opened_at:%Y-%m-%d %H:%M}"

    @property
    def is_network(self) -> bool:
        return self.cause == "network"


class Lane(models.Model):
    """One provider's place in the sweep: one worker at a time asks about its keys."""

    provider = models.SlugField(max_length=50, primary_key=True)
    lease_until = models.DateTimeField(null=True)
    holder = models.CharField(max_length=12, blank=True)

    def __str__(self) -> str:
        return self.provider


class ProbeCount(models.Model):
    """Free requests that were sent to one provider on one day (UTC)."""

    provider = models.SlugField(max_length=50)
    day = models.DateField()
    probes = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "provider"], name="one_count_of_probes_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.probes} to {self.provider} on {self.day}"
