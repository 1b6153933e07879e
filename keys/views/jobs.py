"""Periodic work as site admins see it: what is late first."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from keys import jobs, permissions
from keys.views.acting import person


@require_safe
@never_cache
def settings_jobs(request: HttpRequest) -> HttpResponse:
    permissions.require_site_admin(person(request))
    rows = jobs.standings()
    context = {
        "jobs": rows,
        "late": [row for row in rows if row.late_seconds],
        "waiting": [row for row in rows if row.last_at is None and not row.late_seconds],
        "failing": [row for row in rows if row.failed_in_a_row],
        "quiet": bool(rows) and all(row.late_seconds for row in rows),
    }
    template = "keys/_jobs.html" if request.htmx else "keys/jobs.html"  # type: ignore[attr-defined]
    return render(request, template, context)
