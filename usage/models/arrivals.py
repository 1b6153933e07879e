"""The order in which calls were stored, for those who follow them live."""

from django.db import models


class Arrival(models.Model):
    """The calls that one transaction stored. Numbers have no gap and rise as they are committed.

    A call is stored when it has ended: neither its start nor its id says after which others.
    """

    number = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    earliest = models.DateTimeField()  # start of its first call, and of its last
    latest = models.DateTimeField()
    ids = models.BinaryField()  # 16 bytes of each call

    def __str__(self) -> str:
        return f"arrival {self.number}"


class ArrivalHead(models.Model):
    """The number of the newest arrival: one row, locked from a number's taking to its commit."""

    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.number} arrivals"
