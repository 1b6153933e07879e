"""Checks: every provider key with its verdict, the evidence, and when it is looked at again."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys import permissions
from keys.models import ProviderKey
from keys.permissions import Act
from keys.providers import all_specs
from keys.states import Verdict
from keys.views.acting import person
from keys.views.rows import provider_key_rows

# Worst first.
ORDER = [
    Verdict.DEAD,
    Verdict.UNDECRYPTABLE,
    Verdict.EXHAUSTED,
    Verdict.LIMITED,
    Verdict.UNKNOWN,
    Verdict.UNCHECKED,
    Verdict.LIVE,
]


@require_safe
def checks(request: HttpRequest) -> HttpResponse:
    user = person(request)
    applications = permissions.visible_applications(user)
    specs = {spec.slug: spec for spec in all_specs()}
    chosen = request.GET.get("application", "")
    keys = ProviderKey.objects.filter(application__in=applications)
    if chosen:
        keys = keys.filter(application__slug=chosen)
    rows = provider_key_rows(keys.order_by("name"), specs)
    rows.sort(key=lambda row: (row.key.state != "active", not row.key.suspect, _rank(row.key)))
    context = {
        "rows": rows,
        "applications": applications,
        "chosen": chosen,
        "checkable_in": _checkable_in(request),
    }
    return render(request, "keys/checks.html", context)


def _rank(key: ProviderKey) -> int:
    return ORDER.index(Verdict(key.verdict))


def _checkable_in(request: HttpRequest) -> set[str]:
    """Ids of the applications whose keys this user may check now."""
    user = person(request)
    if permissions.is_site_admin(user):
        return set(permissions.visible_applications(user).values_list("pk", flat=True))
    return set(permissions.applications_for(user, Act.CHECK))
