"""Usage panels: an HTML fragment, and the JSON that keeps it current."""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django_htmx.http import replace_url

from usage import stats
from usage.charts import RANGES
from usage.forms import Chip
from usage.stats import Breakdown
from usage.views.figures import busiest, chart_data, figures, read_breakdown, table
from usage.views.scope import Scope, htmx, read_scope, read_zone

# The parts of a panel that usage_data renders anew.
NARROWING = ("endpoint", "caller", "outcome", "status", "version")
REGIONS = {name: f"usage/_{name}.html" for name in ("tiles", "latest", "aside")}


@require_GET
@never_cache
def usage_panel(request: HttpRequest) -> HttpResponse:
    """The panel of an application or a key; a page of its own when it is opened directly."""
    return _panel(request, "usage_panel", "Usage")


@require_GET
@never_cache
def traffic_overview(request: HttpRequest) -> HttpResponse:
    """The panel of all applications that the reader may see."""
    return _panel(request, "traffic_overview", "Traffic")


def _panel(request: HttpRequest, name: str, title: str) -> HttpResponse:
    scope = read_scope(request)
    now = timezone.now()
    try:
        found = read_breakdown(scope, now)
    except stats.Unanswerable as error:
        return _untold(request, scope, name, error)
    context = _context(scope, now, found)
    context |= {
        "title": title,
        "ranges": [
            {"name": other.name, "words": other.words, "url": scope.url(name, range=other.name)}
            for other in RANGES.values()
        ],
        "chips": _chips(scope, name),
        "complaints": scope.complaints.values(),
        "self_url": scope.url(name, range=""),  # the page around it says the range
        "data_url": scope.url("usage_data"),
        "table_url": scope.url("usage_table"),
        "calls_url": scope.url("calls"),
        **scope.unknown(name),
    }
    template = "usage/_panel.html" if htmx(request) else "usage/panel.html"
    response = render(request, template, context)
    page = htmx(request).current_url_abs_path
    if page and "range" in request.GET:
        return replace_url(response, _with_range(page, scope))
    return response


def _untold(
    request: HttpRequest, scope: Scope, name: str, error: stats.Unanswerable
) -> HttpResponse:
    """Filters that are not counted together: what to do instead."""
    context = {
        "scope": scope,
        "untold": str(error),
        "calls_url": scope.url("calls"),
        "wider_url": scope.url(name, **dict.fromkeys(NARROWING, "")),
    }
    template = "usage/_untold.html" if htmx(request) else "usage/untold.html"
    return render(request, template, context)


def _chips(scope: Scope, name: str) -> list[Chip]:
    """What is filtered by that no page around the panel says."""
    chosen = {
        word: value for word in NARROWING if (value := getattr(scope, word)) not in ("", None)
    }
    return [
        Chip(word, word, str(value), str(value), scope.url(name, range="", **{word: ""}))
        for word, value in chosen.items()
    ]


def _context(scope: Scope, now: datetime, found: Breakdown) -> dict[str, Any]:
    context = figures(scope, now, found)
    if not scope.is_narrow:
        context["busiest"] = busiest(scope, now)
        context["busiest_url"] = scope.url("rankings", by="application")
    return context


def _with_range(page: str, scope: Scope) -> str:
    """The address of the page around the panel, so that the view can be shared."""
    parts = urlsplit(page)
    query = {**dict(parse_qsl(parts.query)), "range": scope.range.name}
    return parts._replace(query=urlencode(query)).geturl()


@require_GET
@never_cache
def usage_data(request: HttpRequest) -> HttpResponse:
    """The charts' data and the panel's parts; 204 when nothing changed since `seen`."""
    scope = read_scope(request)
    if scope.complaints:  # figures of more than was asked for, with nothing beside them to say so
        return JsonResponse({"error": " ".join(scope.complaints.values())}, status=422)
    now = timezone.now()
    starts = scope.bars(now, read_zone(request))
    version = f"{stats.stored()}.{int(now.timestamp()) // 60}"  # the range moves on by the minute
    if request.GET.get("seen") == version:
        return HttpResponse(status=204)
    try:
        found = read_breakdown(scope, now)
    except stats.Unanswerable as error:
        return JsonResponse({"error": str(error)}, status=422)
    context = _context(scope, now, found)
    html: dict[str, Any] = {
        region: render_to_string(template, context, request) for region, template in REGIONS.items()
    }
    html["summary"] = context["summary"]
    data = chart_data(scope, found, starts)
    return JsonResponse(data | {"html": html, "empty": context["empty"], "version": version})


@require_GET
@never_cache
def usage_table(request: HttpRequest) -> HttpResponse:
    """The charts as a table, for those who can't see them or want the numbers."""
    scope = read_scope(request)
    now = timezone.now()
    starts = scope.bars(now, read_zone(request))
    try:
        found = read_breakdown(scope, now)
    except stats.Unanswerable as error:
        return _untold(request, scope, "usage_table", error)
    told = {"complaints": scope.complaints.values(), **table(scope, found, starts)}
    template = "usage/_figures.html" if htmx(request) else "usage/figures.html"
    return render(request, template, told)
