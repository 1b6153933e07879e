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
    steps = attention.steps(applications)
    context = {
        "applications": applications,
        "alerts": attention.alerts(applications),
        "steps": steps,
        "steps_done": sum(step.done for step in steps),
        "all_done": all(step.done for step in steps),
    }
    return render(request, "keys/overview.html", context)
