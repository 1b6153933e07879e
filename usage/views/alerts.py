"""Alerts: what fires, the rules, the channels, and what was sent."""

from collections import Counter

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from keys import permissions, providers
from keys.models import Application
from keys.sign_in.invitations import can_mail
from keys.views.acting import person
from keys.views.filters import Filters
from usage.alerts import hearing, seeing
from usage.alerts.conditions import CONDITIONS
from usage.models import AlertDelivery

PER_PAGE = 50
FIRING = 100


@require_safe
@never_cache
def alerts(request: HttpRequest) -> HttpResponse:
    user = person(request)
    mine = {row.pk for row in seeing.manageable(user)}
    admin = permissions.is_site_admin(user)
    firing = list(seeing.firing(user)[: FIRING + 1])
    there = Application.objects.filter(pk__in={row.application for row in firing})
    names = dict(there.values_list("pk", "name"))
    rules = list(seeing.rules(user).prefetch_related("channels"))
    mute = hearing.tells_nobody(rule for rule in rules if rule.enabled)
    context = {
        "firing": [(row, names.get(row.application, "")) for row in firing[:FIRING]],
        "more": len(firing) > FIRING,
        "rules": [
            (rule, CONDITIONS.get(rule.condition), _may(rule.application_id, mine, admin))
            for rule in rules
        ],
        "mute": mute,
        "silences": Counter(mute.values()).most_common(),
        "providers": providers.names(rule.provider for rule in rules if rule.provider),
        "channels": [
            (channel, _may(channel.application_id, mine, admin))
            for channel in seeing.channels(user)
        ],
        "may_add": bool(mine) or admin,
        "can_mail": can_mail(),
        "admin": admin,
    }
    return render(request, "usage/alerts.html", context)


@require_safe
@never_cache
def alert_deliveries(request: HttpRequest) -> HttpResponse:
    """What was sent to whom, and what came of it; newest first."""
    rows = seeing.deliveries(person(request))
    channel = None
    if id := request.GET.get("channel", ""):
        channel = seeing.channels(person(request)).filter(pk=id).first()
        if channel is None:
            raise Http404("No such channel")
        rows = rows.filter(channel=channel)
    asked = Filters(request.GET)
    page = asked.page(rows, PER_PAGE)
    context = {
        "page": page,
        "rows": [(row, _headline(row)) for row in page],
        "channel": channel,
        "complaints": asked.complaints.values(),
        "back": reverse("alerts"),
    }
    return render(request, "usage/alert_deliveries.html", context)


def _may(application: str | None, mine: set[str], admin: bool) -> bool:
    return admin or (application is not None and application in mine)


def _headline(row: AlertDelivery) -> str:
    first = row.notice.alerts[0]
    more = len(row.notice.alerts) - 1 + row.notice.more
    over = "Over: " if first["kind"] == "ended" else ""
    return f"{over}{first['title']}" + (f" and {more:,} more" if more else "")
