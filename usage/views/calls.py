"""The explorer of recorded calls, and the page of one call."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django_htmx.http import push_url

from keys import permissions
from keys.sign_in.presence import is_still_signed_in
from usage import stats
from usage.exports import exported
from usage.forms import CallsForm
from usage.stats import Wanted
from usage.streaming import Full
from usage.tail import Ended, Place, Told, event, followed, newest
from usage.views.rows import with_names
from usage.views.scope import Scope, htmx, read_scope, visible_ids

SHOWN = 50
EXPORTS = {"csv": "CSV", "jsonl": "JSON lines"}


@require_GET
@never_cache
def calls(request: HttpRequest) -> HttpResponse:
    """Newest first. The filters are in the URL; `cursor` continues."""
    scope, form, chosen = _chosen(request)
    after = newest() if form.is_live else None  # before the look: none falls in between
    try:
        page = stats.calls(chosen, cursor=request.GET.get("cursor") or None, limit=SHOWN)
    except stats.BadCursor as error:
        raise Http404("No such page") from error
    context = {
        "form": form,
        "rows": with_names(page.items),
        "wide": True,
        "shown": SHOWN,
        "live": form.is_live,
        "tail_url": form.url("calls_tail", after=str(after)) if after else "",
        "older_url": form.url(cursor=page.next) if page.next and not form.is_live else "",
        "exports": [(words, form.url("calls_export", name)) for name, words in EXPORTS.items()],
        **(scope.unknown("calls") if not page.items else {}),
    }
    if not htmx(request):
        return render(request, "usage/calls.html", context)
    if "cursor" in request.GET:
        return render(request, "usage/_older.html", context)
    return push_url(render(request, "usage/_explorer.html", context), form.url())


@require_GET
def calls_export(request: HttpRequest, form: str) -> HttpResponse:
    """What the filters show, all of it, as a file."""
    if form not in stats.FORMATS:
        raise Http404("No such format")
    _, filters, chosen = _chosen(request)
    if filters.errors:  # a file can't say at the field that it holds more than was asked for
        return HttpResponse(filters.complaint, content_type="text/plain", status=422)
    try:
        return exported(request, request.user.pk or 0, chosen, form)
    except Full as error:
        return HttpResponse(str(error), content_type="text/plain", status=429)


@require_GET
def calls_tail(request: HttpRequest) -> HttpResponse:
    """Rows of calls as they are stored, as events: see usage.tail."""
    try:
        after = Place.parse(request.headers.get("Last-Event-ID") or request.GET.get("after", ""))
    except ValueError:
        after = None
    _chosen(request)  # 404 for what may not be seen

    def still() -> Wanted:
        if not is_still_signed_in(request):
            raise Ended("Your sign-in has ended.")
        return _chosen(request)[-1]

    try:
        return followed(request, request.user.pk or 0, still, _told, after)
    except Full as error:
        return HttpResponse(str(error), content_type="text/plain", status=429)


def _told(calls: Told) -> bytes:
    """One event for them all, the newest first, and of many those that a page has room for."""
    rows = with_names(call for _, call in reversed(calls[-SHOWN:]))
    html = render_to_string("usage/_call_rows.html", {"rows": rows, "wide": True})
    return event("calls", html, calls[-1][0])


def _chosen(request: HttpRequest) -> tuple[Scope, CallsForm, Wanted]:
    """Raises Http404 for an application or key that the reader may not see."""
    scope = read_scope(request)
    form = CallsForm(request.GET, applications=permissions.visible_applications(request.user))
    return scope, form, form.narrow(scope.filter(*form.span(timezone.now())))


@require_GET
@never_cache
def call(request: HttpRequest, id: UUID) -> HttpResponse:
    """Everything that is recorded of one call."""
    found = stats.call(str(id), visible_ids(request))
    if found is None:
        raise Http404("No such call")
    return render(request, "usage/call.html", {"row": with_names([found])[0], "call": found})
