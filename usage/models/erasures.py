"""Applications that were deleted: their calls and counts go in the background, and stay gone."""

from django.db import models
from django.db.models import Q


class Erasure(models.Model):
    """What is being erased, and how far that is. The row stays: what a spool still held of the
    application when it was deleted is not stored either. The lease is the worker's."""

    application = models.CharField(primary_key=True, max_length=12)
    name = models.CharField(max_length=100)
    begun_at = models.DateTimeField()
    calls = models.BigIntegerField(default=0)  # erased so far
    counts = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # what is left to do
            models.Index(fields=["begun_at"], condition=Q(finished_at=None), name="erasure_open"),
        ]

    def __str__(self) -> str:
        return f"erasure of {self.name}"
