"""What alerts let go of: notices and firings that are long over."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from usage.models import AlertNotice, AlertState

NOTICES_KEPT = timedelta(days=30)
STATES_KEPT = timedelta(days=90)
MOST = 5000  # rows of one run: the next goes on


def forget(now: datetime) -> int:
    """Deletes them, deliveries with their notices; returns how many.

    The notice that told what still fires stays: its deliveries say whether anybody knows of it.
    """
    fires = AlertState.objects.filter(ended_at=None, rule=OuterRef("rule"), told_at=OuterRef("at"))
    old = AlertNotice.objects.filter(~Exists(fires), at__lt=now - NOTICES_KEPT).order_by("at")
    notices = AlertNotice.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:MOST]))
    over = AlertState.objects.filter(ended_at__lt=now - STATES_KEPT).order_by("ended_at")
    states = AlertState.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:MOST]))
    return notices.delete()[0] + states.delete()[0]
