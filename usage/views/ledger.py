"""The ledger: the account of every call that was accepted, writer by writer."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from keys import permissions
from usage import stats


@require_GET
@never_cache
def ledger(request: HttpRequest) -> HttpResponse:
    """Of the whole installation, so for site admins."""
    permissions.require_site_admin(request.user)
    return render(request, "usage/ledger.html", {"ledger": stats.ledger()})
