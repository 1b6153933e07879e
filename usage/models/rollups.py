"""Counts per minute, hour and day, and latency histograms beside them.

Both are keyed by the same dimensions. A histogram is rows (bucket, requests), so that it
merges by SUM in any database.
"""

from typing import ClassVar

from django.db import models


class Dimensions(models.Model):
    """What a count is of. Empty strings instead of NULL, so that upserts find their row."""

    at = models.DateTimeField()  # start of the bucket, UTC
    application = models.CharField(max_length=12)
    app_key = models.CharField(max_length=12)
    provider = models.CharField(max_length=50)
    provider_key = models.CharField(max_length=12)
    endpoint = models.CharField(max_length=200)

    KEY: ClassVar[tuple[str, ...]] = (
        "at",
        "application",
        "app_key",
        "provider",
        "provider_key",
        "endpoint",
    )

    class Meta:
        abstract = True
        indexes = [
            # a key's charts
            models.Index(fields=["app_key", "at"], name="%(class)s_app"),
            models.Index(fields=["provider_key", "at"], name="%(class)s_pk"),
            # all applications together; retention
            models.Index(fields=["at"], name="%(class)s_at"),
        ]


class Rollup(Dimensions):
    """Sums over the calls of one bucket and one set of dimensions."""

    outcome = models.CharField(max_length=14)
    status = models.PositiveIntegerField()
    requests = models.BigIntegerField(default=0)
    bytes_in = models.BigIntegerField(default=0)
    bytes_out = models.BigIntegerField(default=0)
    tokens_in = models.BigIntegerField(default=0)
    tokens_out = models.BigIntegerField(default=0)
    cost_nanos = models.BigIntegerField(default=0, db_default=0)  # billionths of a US dollar

    KEY: ClassVar[tuple[str, ...]] = (*Dimensions.KEY, "outcome", "status")

    class Meta(Dimensions.Meta):
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "application",
                    "at",
                    "app_key",
                    "provider",
                    "provider_key",
                    "endpoint",
                    "outcome",
                    "status",
                ],
                name="one_%(class)s",
            ),
        ]


class Latency(Dimensions):
    """Calls whose latency fell into one logarithmic bucket (`usage.rollups.bucket_of`)."""

    bucket = models.PositiveSmallIntegerField()
    requests = models.BigIntegerField(default=0)

    KEY: ClassVar[tuple[str, ...]] = (*Dimensions.KEY, "bucket")

    class Meta(Dimensions.Meta):
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "application",
                    "at",
                    "app_key",
                    "provider",
                    "provider_key",
                    "endpoint",
                    "bucket",
                ],
                name="one_%(class)s",
            ),
        ]


class MinuteRollup(Rollup):
    class Meta(Rollup.Meta):
        pass


class HourRollup(Rollup):
    class Meta(Rollup.Meta):
        pass


class DayRollup(Rollup):
    class Meta(Rollup.Meta):
        pass


class MinuteLatency(Latency):
    class Meta(Latency.Meta):
        pass


class HourLatency(Latency):
    class Meta(Latency.Meta):
        pass


class DayLatency(Latency):
    class Meta(Latency.Meta):
        pass
