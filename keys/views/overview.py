"""The overview: what needs attention first, then traffic, then what to do next."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys import attention, permissions
from keys.views.acting import person


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    user = person(request)
    applications = list(permissions.visible_applications(user))
    context = {
        "applications": applications,
        "alerts": attention.alerts(applications),
        "steps": attention.steps(applications),
    }
    return render(request, "keys/overview.html", context)
