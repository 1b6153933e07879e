"""Who uses a key: how far a cut-over is, and what stops with it. Fragments for the key pages."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from keys.models import AppKey
from keys.states import Stage
from usage import stats
from usage.views.scope import read_scope

HEIGHT = 40  # of the chart, in its own units; a bar is 10 wide


@require_GET
@never_cache
def usage_cutover(request: HttpRequest) -> HttpResponse:
    """Calls by version while an old secret serves beside the new one."""
    scope = read_scope(request)
    key = scope.app_key or scope.provider_key
    if key is None:
        raise Http404("No such key")
    found = key.versions.filter(stage__in=(Stage.PREVIOUS, Stage.CURRENT))
    versions = {version.stage: version for version in found}
    previous, current = versions.get(Stage.PREVIOUS), versions.get(Stage.CURRENT)
    if previous is None or current is None:
        return HttpResponse()
    now = timezone.now()
    numbers = (previous.number, current.number)
    rotated = current.promoted_at or current.created_at
    told = stats.cutover(scope.window(now), key.kind, *numbers, rotated, now)
    context = {"cutover": told, "rotated": rotated, "rects": _rects(told)}
    return render(request, "usage/_cutover.html", context)


@require_GET
@never_cache
def usage_impact(request: HttpRequest) -> HttpResponse:
    """What would stop if the key, or the application, did."""
    scope = read_scope(request)
    if not (scope.app_key or scope.provider_key or scope.application):
        raise Http404("No such key")
    found = stats.impact(scope.window(timezone.now()), timezone.now())
    names = dict(AppKey.objects.filter(pk__in=found.app_keys).values_list("pk", "name"))
    context = {
        "impact": found,
        "app_keys": [] if scope.app_key else [names.get(id, id) for id in found.app_keys],
        "what": "key" if scope.app_key or scope.provider_key else "application",
    }
    return render(request, "usage/_impact.html", context)


def _rects(found: stats.Cutover) -> list[dict[str, object]]:
    """The bars as rectangles, the old secret's calls at the bottom."""
    rects: list[dict[str, object]] = []
    scale = HEIGHT / found.highest if found.highest else 0.0
    for place, bar in enumerate(found.bars):
        top = float(HEIGHT)
        for name, count in (("old", bar.old), ("new", bar.new)):
            if count:
                height = max(1.0, count * scale)
                top -= height
                rects.append(
                    {"name": name, "x": place * 10, "y": f"{top:.1f}", "h": f"{height:.1f}"}
                )
    return rects
