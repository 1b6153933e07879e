"""The explorer of recorded calls, and the page of one call."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django_htmx.http import push_url

from keys import permissions
from usage import stats
from usage.forms import CallsForm
from usage.views.rows import with_names
from usage.views.scope import htmx, read_scope, visible_ids

SHOWN = 50


@require_GET
@never_cache
def calls(request: HttpRequest) -> HttpResponse:
    """Newest first. The filters are in the URL; `cursor` continues, `seen` asks for news only."""
    scope = read_scope(request)
    form = CallsForm(request.GET, applications=permissions.visible_applications(request.user))
    now = timezone.now()
    chosen = form.narrow(scope.filter(form.since(now), now))
    try:
        page = stats.calls(chosen, cursor=request.GET.get("cursor") or None, limit=SHOWN)
    except stats.BadCursor as error:
        raise Http404("No such page") from error
    newest = str(page.items[0].id) if page.items else "none"
    if request.GET.get("seen") == newest:
        return HttpResponse(status=204)
    context = {
        "form": form,
        "rows": with_names(page.items),
        "wide": True,
        "live": form.is_live,
        "live_url": form.url(seen=newest),
        "older_url": form.url(cursor=page.next) if page.next and not form.is_live else "",
    }
    if not htmx(request):
        return render(request, "usage/calls.html", context)
    if "cursor" in request.GET:
        return render(request, "usage/_older.html", context)
    if "seen" in request.GET:
        return render(request, "usage/_calls.html", context)
    return push_url(render(request, "usage/_explorer.html", context), form.url())


@require_GET
@never_cache
def call(request: HttpRequest, id: UUID) -> HttpResponse:
    """Everything that is recorded of one call."""
    found = stats.call(str(id), visible_ids(request))
    if found is None:
        raise Http404("No such call")
    return render(request, "usage/call.html", {"row": with_names([found])[0], "call": found})
