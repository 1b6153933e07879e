"""Batches: one act on many keys, carried out in the background."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from keys.models.applications import Application
from keys.models.ids import new_id


class Batch(models.Model):
    """What was asked for, by whom, and how far it is. The lease is the worker's (decision 14)."""

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    application = models.ForeignKey(Application, models.CASCADE, related_name="batches")
    kind = models.CharField(max_length=12)  # provider_key or app_key
    act = models.CharField(max_length=10)
    argument = models.CharField(max_length=40, blank=True)  # a tag, or seconds of overlap
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    address = models.CharField(max_length=45, blank=True)
    # The API token that it was asked for with, if any: its name, and its id.
    token = models.CharField(max_length=100, blank=True)
    token_id = models.CharField(max_length=12, blank=True)
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    stopped = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], condition=Q(ended_at=None), name="batch_open"),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.total} of {self.kind} ({self.id})"


class BatchItem(models.Model):
    """One key of a batch: waiting, done, or refused and why."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="items")
    key_id = models.CharField(max_length=12)
    outcome = models.CharField(max_length=7, default="waiting")  # waiting, done, refused
    why = models.CharField(max_length=300, blank=True)
    seal = models.CharField(max_length=64)  # keyed: who asked for this act on this key

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "key_id"], name="a_key_once_in_a_batch"),
        ]
        indexes = [models.Index(fields=["batch", "outcome"], name="batch_item_outcome")]

    def __str__(self) -> str:
        return f"{self.key_id} of {self.batch_id}: {self.outcome}"
