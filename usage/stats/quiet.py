"""Keys that nobody calls with, and the days on which keys were first and last in use."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import F, OuterRef, Q, Subquery
from django.utils import timezone

from keys.models import KEYS, Key
from keys.states import KeyState
from usage.models import KeyDay


class Use(NamedTuple):
    """Days (UTC) with a call; they are counted for years, however short calls are kept."""

    first: datetime | None
    last: datetime | None


def uses(kind: str, ids: Collection[str]) -> dict[str, Use]:
    """The first and the last day of these keys (`kind` is app_key or provider_key). One query."""
    days = KeyDay.objects.filter(**{kind: OuterRef("pk")}).values("at")
    rows = KEYS[kind]._default_manager.filter(pk__in=ids)
    found = rows.values_list(
        "pk", Subquery(days.order_by("at")[:1]), Subquery(days.order_by("-at")[:1])
    )
    return {pk: Use(first, last) for pk, first, last in found}


def idle(before: datetime) -> Q:
    """Keys of either kind that nobody has called with since then, nor made."""
    return Q(created_at__lt=before) & (Q(last_used_at=None) | Q(last_used_at__lt=before))


def quiet(
    kind: str,
    applications: Collection[str] | None,
    silence: timedelta,
    limit: int = 50,
    now: datetime | None = None,
) -> list[Key]:
    """Active keys without a call for so long, nor made since: those never used first.

    `applications` are ids, None for all.
    """
    before = (now or timezone.now()) - silence
    rows = KEYS[kind]._default_manager.select_related("application")
    rows = rows.filter(idle(before), state=KeyState.ACTIVE)
    if applications is not None:
        rows = rows.filter(application__in=applications)
    return list(rows.order_by(F("last_used_at").asc(nulls_first=True), "created_at")[:limit])
