"""Periodic work as rows: what ran when, what came of it, and who runs it now."""

from django.db import models


class Job(models.Model):
    """One kind of periodic work. Written by `keys.jobs` alone."""

    name = models.CharField(primary_key=True, max_length=80)  # of its Celery task
    words = models.CharField(max_length=200, blank=True)  # what it does, for people
    every = models.FloatField()  # seconds
    next_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)  # of the last run that came to an end
    duration_ms = models.FloatField(null=True)  # of that run
    runs = models.BigIntegerField(default=0)
    failures = models.BigIntegerField(default=0)  # in all
    failed_in_a_row = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)  # the last one, masked
    error_at = models.DateTimeField(null=True)
    # Whose run it is while the lease holds (DESIGN decision 14).
    holder = models.CharField(max_length=160, blank=True)
    lease_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name
