"""The inbox: what somebody sees of the findings, and how many wait."""

from datetime import datetime

from django.db.models import Case, IntegerField, Q, QuerySet, When
from django.utils import timezone

from keys import permissions
from keys.permissions import Anybody
from usage.hygiene.codes import CODES
from usage.models import HygieneFinding


def inbox(user: Anybody) -> QuerySet[HygieneFinding]:
    """All findings in the applications that this person sees."""
    rows = HygieneFinding.objects.select_related("application")
    if permissions.is_site_admin(user):
        return rows
    return rows.filter(application__in=permissions.visible_applications(user).values("pk"))


def waiting(rows: QuerySet[HygieneFinding], now: datetime) -> QuerySet[HygieneFinding]:
    """Those that are not snoozed."""
    return rows.filter(Q(snoozed_until=None) | Q(snoozed_until__lte=now))


def gravest_first(rows: QuerySet[HygieneFinding]) -> QuerySet[HygieneFinding]:
    """In the order of CODES, then by application and key."""
    order = [When(code=code, then=number) for number, code in enumerate(CODES)]
    place = Case(*order, default=len(order), output_field=IntegerField())
    return rows.annotate(place=place).order_by("place", "application__name", "name", "pk")


def count(user: Anybody, now: datetime | None = None) -> int:
    """How many wait: one query, for every page."""
    return waiting(inbox(user).select_related(None), now or timezone.now()).count()
