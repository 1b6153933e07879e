"""The balances that providers told of a key, over time."""

from django.db import models

from keys.models.provider_keys import ProviderKey


class Balance(models.Model):
    """What was left to spend when a probe asked. Written by `keys.health` alone."""

    key = models.ForeignKey(ProviderKey, models.CASCADE, related_name="balances")
    version = models.PositiveIntegerField()  # of the secret: another one may be another account
    at = models.DateTimeField()
    nanos = models.BigIntegerField()  # billionths of the currency's unit
    currency = models.CharField(max_length=3, blank=True)

    class Meta:
        indexes = [
            # a key's series and its latest
            models.Index(fields=["key", "-at"], name="balance_series"),
        ]

    def __str__(self) -> str:
        return f"{self.nanos / 10**9:.2f} {self.currency} at {self.at:%Y-%m-%d %H:%M}"
