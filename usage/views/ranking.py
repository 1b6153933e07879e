"""Who calls most, what is slowest, what costs most, and which keys nobody uses."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django_htmx.http import push_url

from keys import permissions, providers
from keys.models import KEYS, AppKey, Application, Key
from keys.views.filters import Filters
from usage import stats
from usage.forms import Chip
from usage.stats import Filter, Group, Spend, Use
from usage.views.ranking_form import (
    BY,
    FEW,
    ORDERS,
    SILENCE,
    USUAL_SILENCE,
    Asked,
    RankingForm,
)
from usage.views.scope import Scope, htmx, read_scope

SHOWN = 50
SLOWEST = 8
QUIET = 8
DRILL = {"app_key": "endpoint", "provider_key": "endpoint", "endpoint": "app_key"}


@dataclass(frozen=True, slots=True)
class Ranked:
    """One value, what it is called, and where it leads."""

    group: Group
    name: str
    of: str  # the application's name, of a key
    url: str  # of its own page
    narrowed: str  # these rankings, of it alone
    share: float  # of the longest bar
    spend: Spend
    use: Use | None


@require_GET
@never_cache
def rankings(request: HttpRequest) -> HttpResponse:
    scope = read_scope(request)
    form = RankingForm(request.GET, applications=permissions.visible_applications(request.user))
    now = timezone.now()
    others = Filters(request.GET)
    silence = others.choice("silence", SILENCE) or USUAL_SILENCE
    asked = form.asked()
    told: dict[str, object] = {**asked.told, "silence": silence}
    context: dict[str, Any] = {
        "scope": scope,
        "form": form,
        "asked": asked,
        "title": BY[asked.by],
        "order": ORDERS[asked.order],
        "chips": _chips(scope, told),
        "complaints": [
            words
            for name, words in (scope.complaints | others.complaints).items()
            if name not in form.fields  # those say so themselves
        ],
        "few": FEW["latency"],
        "silence": silence,
        "silences": [
            (days, words, scope.url("rankings", **{**told, "silence": days}))
            for days, words in SILENCE.items()
        ],
        "wider_url": f"{reverse('rankings')}?range=30d",
        **scope.unknown("rankings"),
        **_ranked(scope, asked, now, told),
        **_beside(scope, now, timedelta(days=int(silence)), told),
    }
    if not htmx(request):
        return render(request, "usage/rankings.html", context)
    return push_url(render(request, "usage/_rankings.html", context), scope.url("rankings", **told))


def _ranked(scope: Scope, asked: Asked, now: datetime, told: dict[str, object]) -> dict[str, Any]:
    chosen = scope.window(now)
    try:
        found = stats.top(
            chosen,
            asked.by,
            asked.order,
            limit=SHOWN,
            bottom=asked.bottom,
            at_least=asked.at_least,
            now=now,
        )
    except stats.Unanswerable as error:
        return {"rows": [], "untold": str(error)}
    spends = _spends(chosen, asked.by, [group.value for group in found], now)
    lost = stats.not_kept(chosen, stats.column(chosen, asked.by))
    return {"rows": _rows(scope, asked, found, spends, told), "untold": "", "not_kept": lost}


def _spends(chosen: Filter, by: str, values: list[str], now: datetime) -> dict[str, Spend]:
    """Empty where costs are not counted by it."""
    if not values:
        return {}
    try:
        return stats.spend_by(chosen, stats.column(chosen, by), values, now)
    except stats.Unanswerable:
        return {}


def _rows(
    scope: Scope,
    asked: Asked,
    found: list[Group],
    spends: dict[str, Spend],
    told: dict[str, object],
) -> list[Ranked]:
    values = [group.value for group in found]
    keys = _keys(asked.by, values)
    applications = Application.objects.in_bulk(values) if asked.by == "application" else {}
    uses = stats.uses(asked.by, values) if asked.by in KEYS else {}
    called = providers.names(values) if asked.by == "provider" else {}
    longest = max((_length(asked.order, group, spends) for group in found), default=0)
    rows = []
    for group in found:
        key, application = keys.get(group.value), applications.get(group.value)
        about = key or application
        chosen = application.slug if application else group.value
        narrowed = {**told, "by": DRILL.get(asked.by, "app_key"), asked.by: chosen}
        rows.append(
            Ranked(
                group=group,
                name=about.name if about else called.get(group.value, group.value),
                of=key.application.name if key else "",
                url=_url(key, application),
                narrowed=scope.url("rankings", **narrowed),
                share=_length(asked.order, group, spends) / longest if longest else 0,
                spend=spends.get(group.value, Spend()),
                use=uses.get(group.value),
            )
        )
    return rows


def _keys(by: str, ids: list[str]) -> dict[str, Key]:
    if by not in KEYS:
        return {}
    rows = KEYS[by]._default_manager.select_related("application").filter(pk__in=ids)
    return {key.pk: key for key in rows}


def _url(key: Key | None, application: Application | None) -> str:
    if key is not None:
        name = "app_key" if isinstance(key, AppKey) else "provider_key"
        return reverse(name, args=[key.application.slug, key.pk])
    return reverse("application", args=[application.slug]) if application else ""


def _length(order: str, group: Group, spends: dict[str, Spend]) -> float:
    """What the bar beside a row shows: that by which it is ranked."""
    if order == "cost":
        return spends[group.value].likely if group.value in spends else 0
    if order == "latency":
        return group.latency_ms.p95 or 0
    if order in ("bytes", "tokens"):
        return float(getattr(group, f"{order}_in") + getattr(group, f"{order}_out"))
    return float(getattr(group, order))


def _beside(
    scope: Scope, now: datetime, silence: timedelta, told: dict[str, object]
) -> dict[str, Any]:
    """The slowest endpoints, and the keys that nobody uses."""
    chosen = scope.window(now)
    try:
        slowest = stats.top(
            chosen, "endpoint", "latency", limit=SLOWEST, at_least=FEW["latency"], now=now
        )
    except stats.Unanswerable:
        slowest = []
    quiet = [key for kind in KEYS for key in stats.quiet(kind, scope.ids, silence, QUIET, now)]
    return {
        "slowest": [
            (group, scope.url("rankings", **{**told, "by": "app_key", "endpoint": group.value}))
            for group in slowest
        ],
        "quiet": [(key, _url(key, None), isinstance(key, AppKey)) for key in quiet],
    }


def _chips(scope: Scope, told: dict[str, object]) -> list[Chip]:
    """What is filtered by beside what the form asks for."""
    values = {
        "app_key": ("app key", scope.app_key.pk if scope.app_key else ""),
        "provider_key": ("provider key", scope.provider_key.pk if scope.provider_key else ""),
        "endpoint": ("endpoint", scope.endpoint),
        "caller": ("caller", scope.caller),
        "outcome": ("outcome", scope.outcome),
        "status": ("HTTP status", "" if scope.status is None else str(scope.status)),
        "version": ("version", "" if scope.version is None else str(scope.version)),
    }
    keys = {"app_key": scope.app_key, "provider_key": scope.provider_key}
    return [
        Chip(
            name=name,
            words=words,
            value=value,
            shown=key.name if (key := keys.get(name)) else value,
            without=scope.url("rankings", **{**told, name: ""}),
        )
        for name, (words, value) in values.items()
        if value
    ]
