"""Rows of the cache that every process shares: counts of sign-ins, codes used up."""

from django.db import models


class CacheEntry(models.Model):
    """One value under one name, until it expires. Written by `keys.cache` alone."""

    key = models.CharField(primary_key=True, max_length=250)
    value = models.JSONField(null=True)
    expires_at = models.FloatField(null=True, db_index=True)  # seconds since 1970; null: never

    def __str__(self) -> str:
        return self.key
