"""The overview: what needs attention first, then what to do next, then traffic."""

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
    everything = permissions.is_site_admin(user)
    alerts = attention.alerts(applications, everything=everything)
    context = {
        "applications": applications,
        "alerts": alerts[: attention.MOST],
        "more_alerts": len(alerts) > attention.MOST,
        "steps": steps,
        "steps_done": sum(step.done for step in steps),
        "next_step": next((step for step in steps if not step.done), None),
    }
    return render(request, "keys/overview.html", context)
