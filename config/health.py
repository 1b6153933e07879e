"""Answers for machines: /healthz (alive), /readyz (fit for work), /metrics (Prometheus).

No sign-in. They say how things are, never what they hold.
"""

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


@login_not_required
@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "alive"})


@login_not_required
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when every part is fit for work, 503 and the parts' states otherwise."""
    checks = {"database": _database()}
    fit = all(state == "ok" for state in checks.values())
    body = {"status": "ready" if fit else "not ready", "checks": checks}
    return JsonResponse(body, status=200 if fit else 503)


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unreachable"
    return "ok"
