"""The audit trail: who did what, filtered, as far as the reader's role goes."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_http_methods, require_safe

from keys import permissions
from keys.audit import FORMATS, anchor, export, verify
from keys.forms.audit import VerifyForm
from keys.lifecycle import Conflict
from keys.models import Application, AuditEvent, User
from keys.permissions import Act
from keys.views.acting import ask, carry_out, done, person, posted, refused

PAGE = 50
MOST = 50_000  # events of one file; `manage.py audit export` writes them all


@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    user = person(request)
    names = {row.pk: row for row in permissions.visible_applications(user)}
    rows = _filtered(request, permissions.visible_events(user), names).order_by("-id")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "page": page,
        "events": [(event, names.get(event.application_id)) for event in page],
        "applications": names.values(),
        "filters": request.GET,
        "query": query.urlencode(),
        "admin": permissions.is_site_admin(user),
        "own_only": not _sees_others(user),
    }
    return render(request, "keys/audit.html", context)


@require_safe
def audit_export(request: HttpRequest, form: str) -> HttpResponse:
    """What the filters show, as a file; of more than MOST events the newest."""
    if form not in FORMATS:
        raise Http404("No such format")
    user = person(request)
    names = {row.pk: row for row in permissions.visible_applications(user)}
    rows = _filtered(request, permissions.visible_events(user), names).order_by("-id")
    if first := rows.values_list("id", flat=True)[MOST : MOST + 1].first():
        rows = rows.filter(id__gt=first)
    answer = HttpResponse("".join(export(rows, form)), content_type=FORMATS[form])
    answer["Content-Disposition"] = f"attachment; filename=keydeck-audit.{form}"
    answer["Cache-Control"] = "no-store"
    return answer


@require_http_methods(["GET", "POST"])
def audit_verify(request: HttpRequest) -> HttpResponse:
    """Walk the whole chain, hold it against an anchor, and say on the audit page what was found."""
    permissions.require_site_admin(person(request))
    form = VerifyForm(posted(request))

    def act() -> HttpResponse:
        anchored = form.cleaned_data["anchor"]
        found = verify(anchored)
        held = f", and it holds the anchor of {anchored.at}" if anchored else ""
        if found.ok:
            messages.success(request, f"The chain is whole: all {found.events:,} events fit{held}.")
        else:
            where = f"event {found.broken_at}" if found.broken_at else "its end or its anchor"
            text = f"The chain is broken at {where}: an event was changed, removed or added."
            messages.error(request, text)
        return done(request, reverse("audit"))

    return carry_out(request, form, act) or ask(
        request, "keys/audit_verify.html", form, back=reverse("audit")
    )


@require_safe
def audit_anchor(request: HttpRequest) -> HttpResponse:
    """How far the chain has come, as a file to keep away from the database."""
    permissions.require_site_admin(person(request))
    try:
        text = anchor().as_json()
    except ValueError as error:
        return refused(request, reverse("audit"), Conflict(str(error)))
    answer = HttpResponse(f"{text}\n", content_type="application/json")
    answer["Content-Disposition"] = "attachment; filename=keydeck-audit-anchor.json"
    answer["Cache-Control"] = "no-store"
    return answer


def _sees_others(user: User) -> bool:
    owned = permissions.applications_for(user, Act.SEE_AUDIT)
    return permissions.is_site_admin(user) or owned.exists()


def _filtered(
    request: HttpRequest, rows: QuerySet[AuditEvent], names: dict[str, Application]
) -> QuerySet[AuditEvent]:
    wanted = request.GET
    if slug := wanted.get("application"):
        rows = rows.filter(application_id__in=[pk for pk, row in names.items() if row.slug == slug])
    if action := wanted.get("action"):
        rows = rows.filter(action=action)
    if who := wanted.get("who", "").strip():
        rows = rows.filter(actor_name__icontains=who)
    if target := wanted.get("target", "").strip():
        rows = rows.filter(target__endswith=target)
    if since := _day(wanted.get("since", "")):
        rows = rows.filter(at__date__gte=since)
    if until := _day(wanted.get("until", "")):
        rows = rows.filter(at__date__lte=until)
    return rows


def _day(text: str) -> object:
    try:
        return parse_date(text)
    except ValueError:
        return None
