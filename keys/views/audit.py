"""The audit trail: who did what, filtered, as far as the reader's role goes."""

from datetime import UTC, datetime, time

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from keys import permissions
from keys.audit import FORMATS, Action, anchor, export, verify
from keys.forms.audit import VerifyForm
from keys.lifecycle import Conflict
from keys.models import Application, AuditEvent, User
from keys.permissions import Act
from keys.telling import moment
from keys.views.acting import ask, carry_out, done, person, posted, refused
from keys.views.filters import Filters

PAGE = 50
MOST = 50_000  # events of one file; `manage.py audit export` writes them all


@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    user = person(request)
    names = {row.pk: row for row in permissions.visible_applications(user)}
    asked = Filters(request.GET)
    rows = _filtered(asked, permissions.visible_events(user), names).order_by("-id")
    page = asked.page(rows, PAGE)
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "page": page,
        "events": [(event, names.get(event.application_id)) for event in page],
        "applications": names.values(),
        "filters": request.GET,
        "complaints": asked.complaints.values(),
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
    asked = Filters(request.GET)
    rows = _filtered(asked, permissions.visible_events(user), names).order_by("-id")
    if asked.complaints:  # a file can't say beside itself that it holds more than was asked for
        return HttpResponse(
            "\n".join(asked.complaints.values()), content_type="text/plain", status=422
        )
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
        held = f", and it holds the anchor of {moment(anchored.at)}" if anchored else ""
        if found.ok:
            whole = "the 1 event fits" if found.events == 1 else f"all {found.events:,} events fit"
            messages.success(request, f"The chain is whole: {whole}{held}.")
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
    asked: Filters, rows: QuerySet[AuditEvent], names: dict[str, Application]
) -> QuerySet[AuditEvent]:
    if slug := asked.choice("application", {row.slug for row in names.values()}):
        rows = rows.filter(application_id__in=[pk for pk, row in names.items() if row.slug == slug])
    if action := asked.choice("action", set(Action), "act"):
        rows = rows.filter(action=action)
    if who := asked.told.get("who", "").strip():
        rows = rows.filter(actor_name__icontains=who)
    if target := asked.told.get("target", "").strip():
        named = Q(detail__name__icontains=target) | Q(detail__email__icontains=target)
        rows = rows.filter(Q(target__endswith=target) | named)
    since, until = asked.day("since", "first day"), asked.day("until", "last day")
    if since and until and since > until:
        asked.complaints["until"] = "The last day is before the first: nothing lies between."
    if since:
        rows = rows.filter(at__gte=datetime.combine(since, time.min, UTC))
    return rows.filter(at__lte=datetime.combine(until, time.max, UTC)) if until else rows
