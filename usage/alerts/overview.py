"""What fires now, as lines of the overview's list."""

from collections.abc import Iterable, Sequence

from keys.attention.alert import MOST, Alert
from keys.models import Application
from usage.alerts import seeing
from usage.alerts.conditions import CONDITIONS
from usage.models import AlertChannel, AlertState

ICONS = {"danger": "alert-triangle", "warning": "alert-triangle", "info": "info-circle"}
_TOLD_ELSEWHERE = [one.slug for one in CONDITIONS.values() if one.told_elsewhere]


def firing(applications: Sequence[Application], everything: bool) -> Iterable[Alert]:
    """Besides what the overview says by itself; `everything`: the installation's too."""
    rows = AlertState.objects.filter(ended_at=None, rule__enabled=True)
    rows = rows.exclude(rule__condition__in=_TOLD_ELSEWHERE).order_by("-firing_since")
    ids = [application.pk for application in applications]
    seen: set[str] = set()
    for row in (rows if everything else seeing.within(rows, ids))[:MOST]:
        if row.subject + row.what in seen:
            continue  # two rules say the same
        seen.add(row.subject + row.what)
        yield Alert(
            row.level,
            ICONS.get(row.level, "info-circle"),
            row.told["title"],
            row.told["evidence"],
            row.told["remedy"],
            row.told["url"],
            row.application,
            row.firing_since,
            row.told["cause"],
        )
    yield from _mute(ids, everything)


def _mute(applications: list[str], everything: bool) -> Iterable[Alert]:
    """Channels that nothing gets through."""
    rows = AlertChannel.objects.exclude(failing_since=None).filter(enabled=True)
    if not everything:
        rows = rows.filter(application__in=applications)
    for row in rows.order_by("failing_since")[:MOST]:
        yield Alert(
            "warning",
            "alert-triangle",
            f"Alerts don’t get through to {row.name}",
            "Its last messages were refused, or nobody answered. Keydeck tries each for a day.",
            "Look at its latest deliveries, mend the address, and send a test.",
            f"/alerts/deliveries/?channel={row.pk}",
            row.application_id or "",
            row.failing_since,
        )
