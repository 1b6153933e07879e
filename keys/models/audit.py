"""The audit trail: append-only, chained by a keyed hash. Written by `keys.audit` alone."""

from django.conf import settings
from django.db import models


class AuditEvent(models.Model):
    """One act. Names and ids are copied, so that the event outlives what it speaks of."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    # The digest covers the actor's id, so it stays when the user goes.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
    )
    actor_name = models.CharField(max_length=254)
    action = models.CharField(max_length=40, db_index=True)
    application_id = models.CharField(max_length=12, blank=True, db_index=True)
    target = models.CharField(max_length=60, db_index=True)  # "app_key:<id>"
    detail = models.JSONField(default=dict)
    address = models.CharField(max_length=45, blank=True)
    digest = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.action} {self.target}"


class AuditHead(models.Model):
    """The chain's last digest: one row, locked while an event is added.

    What was archived ends at `archived_digest`, from which the events that are here go on. The
    database lets no event be changed, and none be deleted but those up to `archived_to`.
    """

    digest = models.CharField(max_length=64, blank=True)
    events = models.BigIntegerField(default=0)
    archived_events = models.BigIntegerField(default=0)
    archived_digest = models.CharField(max_length=64, blank=True)
    archived_to = models.BigIntegerField(default=0)  # id of the last event archived
    seal = models.CharField(max_length=64, blank=True)  # keyed hash of all above

    def __str__(self) -> str:
        return f"{self.events} events"
