"""What a panel asks of single calls."""

from django.db.models import Sum

from usage.models import Call, SpoolWriter
from usage.stats import Filter

LOOKED_AT = 500


def latest_codes(chosen: Filter) -> dict[tuple[str, int], str]:
    """The code of the newest call of each (outcome, status) among the latest calls.

    Counts don't keep codes; looking at a fixed number of calls keeps the cost of a page fixed.
    """
    rows = Call.objects.filter(**chosen.dimensions).order_by("-started_at", "-id")
    found: dict[tuple[str, int], str] = {}
    for outcome, status, code in rows.values_list("outcome", "status", "code")[:LOOKED_AT]:
        found.setdefault((outcome, status), code)
    return found


def stored() -> int:
    """Grows with every call that is stored: unchanged, there is nothing new to show."""
    return SpoolWriter.objects.aggregate(sum=Sum("stored"))["sum"] or 0
