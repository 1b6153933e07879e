"""Secrets that got out: a fact of the secret, which outlives the keys that had it."""

from django.db import models


class GotOut(models.Model):
    """The fingerprint of a provider's secret that was reported compromised somewhere."""

    fingerprint = models.CharField(primary_key=True, max_length=64)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.fingerprint[:8]}… got out"
