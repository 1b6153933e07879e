"""Work as rows with leases (DESIGN decision 14): which rows are free, and taking what is due.

A row has `lease_until`. A worker that dies leaves it to run out.
"""

from datetime import datetime
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)


def free(now: datetime) -> Q:
    """Rows that nobody is at."""
    return Q(lease_until=None) | Q(lease_until__lte=now)


def take(due: QuerySet[Row], until: datetime, limit: int) -> list[Row]:
    """The first of the rows that are due, in their order, now ours until then.

    `due` leaves out what is not `free`. Where rows can't be locked, one transaction writes at a
    time, and the conditional update decides the race.
    """
    with transaction.atomic():
        rows = due
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True, of=("self",))
        found = [row for row in rows[:limit] if due.filter(pk=row.pk).update(lease_until=until)]
    for row in found:
        told: Any = row
        told.lease_until = until
    return found
