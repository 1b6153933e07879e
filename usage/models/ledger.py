"""What proves that accepted calls are stored calls."""

from django.db import models


class SpoolWriter(models.Model):
    """One spool's account: how far it was drained and what came of its calls.

    Updated in the transaction that stores the calls, so the account is never ahead of them.
    """

    id = models.CharField(primary_key=True, max_length=80)  # the spool folder's name
    host = models.CharField(max_length=40)
    started_at = models.DateTimeField()
    drained_at = models.DateTimeField(null=True)
    segment = models.PositiveIntegerField(default=0)
    offset = models.BigIntegerField(default=0)  # bytes of that segment already drained
    accepted = models.BigIntegerField(default=0)  # highest call number seen
    stored = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    quarantined = models.BigIntegerField(default=0)  # calls that could not be stored
    broken = models.BigIntegerField(default=0)  # unreadable lines, of calls not known
    lost = models.BigIntegerField(default=0)  # numbers passed over
    # Counted, but without a row: from before the calls that are kept.
    late = models.BigIntegerField(default=0, db_default=0)
    closed_at = models.DateTimeField(null=True)  # dead, drained to its end, folder removed

    def __str__(self) -> str:
        return self.id


class Trimmed(models.Model):
    """How far raw calls were let go of, whatever the setting says since: one row."""

    calls_before = models.DateTimeField()

    def __str__(self) -> str:
        return f"calls from before {self.calls_before}"


class Comparison(models.Model):
    """What a day's counts were found to be, compared with its calls. One row per day."""

    day = models.DateField(primary_key=True)  # UTC
    checked_at = models.DateTimeField()
    calls = models.BigIntegerField()
    differences = models.BigIntegerField()  # rows of counts that are not what the calls add up to
    first = models.TextField(blank=True)  # the first of them, in words
    acknowledged_at = models.DateTimeField(null=True)  # the differences are known

    def __str__(self) -> str:
        return f"{self.day}: {self.differences} differences"


class Quarantine(models.Model):
    """A spooled line that could not be stored, with the reason; kept for a person to look at."""

    at = models.DateTimeField(auto_now_add=True)
    writer = models.CharField(max_length=80)
    segment = models.PositiveIntegerField()
    offset = models.BigIntegerField()
    reason = models.CharField(max_length=200)
    line = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["writer", "segment", "offset"], name="one_quarantined_line"
            ),
        ]

    def __str__(self) -> str:
        return self.reason


class StrangerCount(models.Model):
    """Calls without a key or with an unknown one: a count per network and hour, no row each."""

    at = models.DateTimeField(db_index=True)  # the hour
    network = models.CharField(max_length=45)  # /24 or /48
    code = models.CharField(max_length=20)  # key_required or invalid_key
    requests = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["at", "network", "code"], name="one_stranger_count"),
        ]

    def __str__(self) -> str:
        return f"{self.requests} from {self.network}"
