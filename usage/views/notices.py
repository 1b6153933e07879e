"""What the overview says of the installation beside its keys. Loaded by htmx."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from usage.gateway import desk


@require_safe
@never_cache
def limits_notice(request: HttpRequest) -> HttpResponse:
    """That Redis is away, as long as it is; else nothing."""
    away = desk.mine().limiter.status() == "redis away, memory"
    return render(request, "usage/_limits_notice.html", {"away": away})
