"""The timeline of evidence about provider keys, and the checks that people ask for."""

from django.conf import settings
from django.db import models

from keys.models.ids import new_id
from keys.models.provider_keys import ProviderKey


class Check(models.Model):
    """One piece of evidence, from a probe or from traffic, and the verdict it moved to (if any).

    What only says the same again is counted in the line that says it: `first_at` is then when
    that began, and all else is of the last one.
    """

    key = models.ForeignKey(ProviderKey, models.CASCADE, related_name="checks")
    version = models.PositiveIntegerField()
    first_at = models.DateTimeField(null=True)  # null: once
    at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1, db_default=1)
    via = models.CharField(max_length=8)  # probe or traffic
    meaning = models.CharField(max_length=14)  # a Verdict
    status = models.PositiveIntegerField(default=0)  # HTTP; 0: no answer
    code = models.CharField(max_length=60, blank=True)
    message = models.CharField(max_length=200, blank=True)
    latency_ms = models.FloatField(default=0)
    moved_to = models.CharField(max_length=14, blank=True)
    why = models.CharField(max_length=100, blank=True)  # what it did to the verdict, or why not

    class Meta:
        indexes = [
            # a key's timeline, newest first
            models.Index(fields=["key", "-at"], name="check_timeline"),
            # the checks page, newest first
            models.Index(fields=["-at"], name="check_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.meaning} via {self.via} at {self.at:%H:%M:%S}"


class CheckRun(models.Model):
    """Somebody's wish that many keys be checked now. It makes them due; the sweep does the work,
    and how far it is stands in the keys, so nothing is lost with a worker."""

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    scope = models.CharField(max_length=200)  # in words
    total = models.PositiveIntegerField()
    left_out = models.PositiveIntegerField(default=0)  # keys that cannot be checked for free

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="check_run_age")]

    def __str__(self) -> str:
        return f"{self.total} keys ({self.id})"


class CheckRunKey(models.Model):
    """One key that a run is about."""

    run = models.ForeignKey(CheckRun, models.CASCADE, related_name="keys")
    key = models.ForeignKey(ProviderKey, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="a_key_once_in_a_run"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} of {self.run_id}"
