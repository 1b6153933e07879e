"""Counts per minute, hour and day, and latency histograms beside them.

Each family of tables tells other things apart, so that a question reads few rows: a key's totals
don't get dearer with the number of its endpoints or callers. A histogram is packed into its row
(`usage.rollups.histogram`): a row for every bucket would make more of the ledger than its calls.

Every table has these indexes, each for the questions named:

- the primary key, which begins with (app_key, at): an app key's charts, and the upsert
- (application, at): an application's charts
- (provider_key, at): a provider key's charts
- (at): all applications together; retention
"""

from typing import ClassVar

from django.db import models


class Dimensions(models.Model):
    """What a count is of. Empty strings instead of NULL, so that upserts find their row."""

    at = models.DateTimeField()  # start of the bucket, UTC
    application = models.CharField(max_length=12)
    app_key = models.CharField(max_length=12)

    KEY: ClassVar[tuple[str, ...]]  # the columns that tell rows apart, `at` first

    class Meta:
        abstract = True
        indexes = [
            models.Index(fields=["application", "at"], name="%(class)s_a"),
            models.Index(fields=["at"], name="%(class)s_at"),
        ]


class Sums(models.Model):
    """Sums over the calls of one row."""

    requests = models.BigIntegerField(default=0)
    latency_us = models.BigIntegerField(default=0)  # of all outcomes: time with a call under way
    bytes_in = models.BigIntegerField(default=0)
    bytes_out = models.BigIntegerField(default=0)
    tokens_in = models.BigIntegerField(default=0)
    tokens_out = models.BigIntegerField(default=0)
    cost_nanos = models.BigIntegerField(default=0)  # billionths of a US dollar

    SUMS: ClassVar[tuple[str, ...]] = (
        "requests",
        "latency_us",
        "bytes_in",
        "bytes_out",
        "tokens_in",
        "tokens_out",
        "cost_nanos",
    )

    class Meta:
        abstract = True


class Histogram(models.Model):
    """Answered calls by latency: logarithmic buckets, packed (`usage.rollups.unpacked`)."""

    histogram = models.BinaryField()

    SUMS: ClassVar[tuple[str, ...]] = ("histogram",)

    class Meta:
        abstract = True


class OfProvider(Dimensions):
    provider = models.CharField(max_length=50)
    provider_key = models.CharField(max_length=12)

    class Meta(Dimensions.Meta):
        abstract = True
        indexes = [
            *Dimensions.Meta.indexes,
            models.Index(fields=["provider_key", "at"], name="%(class)s_pk"),
        ]


class KeyCount(OfProvider, Sums):
    """By key and version."""

    app_key_version = models.PositiveIntegerField(default=0)
    provider_key_version = models.PositiveIntegerField(default=0)
    outcome = models.CharField(max_length=14)
    status = models.PositiveIntegerField()
    pk = models.CompositePrimaryKey(
        "app_key",
        "at",
        "application",
        "app_key_version",
        "provider",
        "provider_key",
        "provider_key_version",
        "outcome",
        "status",
    )

    KEY: ClassVar[tuple[str, ...]] = (
        "at",
        "application",
        "app_key",
        "app_key_version",
        "provider",
        "provider_key",
        "provider_key_version",
        "outcome",
        "status",
    )

    class Meta(OfProvider.Meta):
        abstract = True


class EndpointCount(OfProvider, Sums):
    """By key and endpoint."""

    endpoint = models.CharField(max_length=200)
    outcome = models.CharField(max_length=14)
    status = models.PositiveIntegerField()
    pk = models.CompositePrimaryKey(
        "app_key",
        "at",
        "application",
        "provider",
        "provider_key",
        "endpoint",
        "outcome",
        "status",
    )

    KEY: ClassVar[tuple[str, ...]] = (
        "at",
        "application",
        "app_key",
        "provider",
        "provider_key",
        "endpoint",
        "outcome",
        "status",
    )

    class Meta(OfProvider.Meta):
        abstract = True


class CallerCount(Dimensions, Sums):
    """By app key and the caller's label."""

    caller = models.CharField(max_length=100)
    outcome = models.CharField(max_length=14)
    pk = models.CompositePrimaryKey("app_key", "at", "application", "caller", "outcome")

    KEY: ClassVar[tuple[str, ...]] = ("at", "application", "app_key", "caller", "outcome")

    class Meta(Dimensions.Meta):
        abstract = True


class KeyLatency(OfProvider, Histogram):
    pk = models.CompositePrimaryKey("app_key", "at", "application", "provider", "provider_key")

    KEY: ClassVar[tuple[str, ...]] = ("at", "application", "app_key", "provider", "provider_key")

    class Meta(OfProvider.Meta):
        abstract = True


class EndpointLatency(OfProvider, Histogram):
    endpoint = models.CharField(max_length=200)
    pk = models.CompositePrimaryKey(
        "app_key", "at", "application", "provider", "provider_key", "endpoint"
    )

    KEY: ClassVar[tuple[str, ...]] = (
        "at",
        "application",
        "app_key",
        "provider",
        "provider_key",
        "endpoint",
    )

    class Meta(OfProvider.Meta):
        abstract = True


class KeyMinute(KeyCount):
    class Meta(KeyCount.Meta):
        pass


class KeyHour(KeyCount):
    class Meta(KeyCount.Meta):
        pass


class KeyDay(KeyCount):
    class Meta(KeyCount.Meta):
        pass


class KeyMinuteLatency(KeyLatency):
    class Meta(KeyLatency.Meta):
        pass


class KeyHourLatency(KeyLatency):
    class Meta(KeyLatency.Meta):
        pass


class KeyDayLatency(KeyLatency):
    class Meta(KeyLatency.Meta):
        pass


class EndpointMinute(EndpointCount):
    class Meta(EndpointCount.Meta):
        pass


class EndpointHour(EndpointCount):
    class Meta(EndpointCount.Meta):
        pass


class EndpointDay(EndpointCount):
    class Meta(EndpointCount.Meta):
        pass


class EndpointMinuteLatency(EndpointLatency):
    class Meta(EndpointLatency.Meta):
        pass


class EndpointHourLatency(EndpointLatency):
    class Meta(EndpointLatency.Meta):
        pass


class EndpointDayLatency(EndpointLatency):
    class Meta(EndpointLatency.Meta):
        pass


class CallerHour(CallerCount):
    class Meta(CallerCount.Meta):
        pass


class CallerDay(CallerCount):
    class Meta(CallerCount.Meta):
        pass
