"""The timeline of evidence about provider keys."""

from django.db import models

from keys.models.provider_keys import ProviderKey


class Check(models.Model):
    """One piece of evidence, from a probe or from traffic, and the verdict it moved to (if any)."""

    key = models.ForeignKey(ProviderKey, models.CASCADE, related_name="checks")
    version = models.PositiveIntegerField()
    at = models.DateTimeField()
    via = models.CharField(max_length=8)  # probe or traffic
    meaning = models.CharField(max_length=14)  # a Verdict
    status = models.PositiveIntegerField(default=0)  # HTTP; 0: no answer
    code = models.CharField(max_length=60, blank=True)
    message = models.CharField(max_length=200, blank=True)
    latency_ms = models.FloatField(default=0)
    moved_to = models.CharField(max_length=14, blank=True)

    class Meta:
        indexes = [
            # a key's timeline, newest first
            models.Index(fields=["key", "-at"], name="check_timeline"),
            # the checks page, newest first
            models.Index(fields=["-at"], name="check_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.meaning} via {self.via} at {self.at:%H:%M:%S}"
