"""Checks: every provider key with its verdict, the evidence, and when it is looked at again."""

from collections.abc import Mapping
from datetime import timedelta

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from keys import attention, lifecycle, permissions, probe_counts, sweeping
from keys.audit import Actor
from keys.lifecycle import LifecycleError, VaultError
from keys.models import Application, CheckRun, ProviderKey
from keys.permissions import Act
from keys.providers import ProviderSpec, all_specs
from keys.states import KeyState, Verdict
from keys.views.acting import done, person, refused
from keys.views.filters import Filters
from keys.views.incidents import incident_rows
from keys.views.rows import PER_PAGE, provider_key_rows

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
NOT_LIVE_SHOWN = 100
LATE = timedelta(seconds=30)  # that a key was due: before that it waits for its turn


@require_safe
def checks(request: HttpRequest) -> HttpResponse:
    user = person(request)
    applications = list(permissions.visible_applications(user))
    specs = {spec.slug: spec for spec in all_specs()}
    mine = ProviderKey.objects.filter(application__in=applications)
    used = set(mine.values_list("provider", flat=True).distinct())
    asked = Filters(request.GET)
    chosen = {
        "application": asked.choice("application", {row.slug for row in applications}),
        "provider": asked.choice("provider", used | specs.keys()),
    }
    keys = _scope(mine, chosen)
    page = asked.page(_worst_first(keys), PER_PAGE)
    probes, lag = probe_counts.sent(), sweeping.lag(keys)
    context = {
        "rows": provider_key_rows(page, specs),
        "page": page,
        "applications": applications,
        "providers": [(slug, _name(specs, slug)) for slug in sorted(used)],
        "chosen": chosen,
        "complaints": asked.complaints.values(),
        "lag": lag,
        "late": lag.since is not None and timezone.now() - lag.since > LATE,
        "probes": sum(probes.get(slug, 0) for slug in used),
        "incidents": incident_rows(used, specs),
        "checkable_in": _checkable_in(request),
    }
    return render(request, "keys/checks.html", context)


@require_POST
def checks_start(request: HttpRequest) -> HttpResponse:
    """Has the chosen keys checked now, or all that the filter shows."""
    user = person(request)
    chosen = {name: request.POST.get(name, "") for name in ("application", "provider")}
    back = f"{reverse('checks')}?application={chosen['application']}&provider={chosen['provider']}"
    told = [name for name in chosen.values() if name]
    if chosen["application"]:
        told[0] = permissions.get_application(user, chosen["application"], Act.CHECK).name
    allowed = permissions.applications_with(user, Act.CHECK)
    keys = _scope(ProviderKey.objects.filter(application__in=allowed), chosen)
    if not request.POST.get("all"):
        picked = request.POST.getlist("key")
        keys, told = keys.filter(pk__in=picked), [f"{len(picked)} chosen"]
    try:
        run = lifecycle.start_checks(Actor.of(request), keys, " · ".join(told) or "all keys")
    except (LifecycleError, VaultError) as error:
        return refused(request, back, error)
    return done(request, reverse("check_run", args=[run.pk]))


@require_safe
def check_run(request: HttpRequest, id: str) -> HttpResponse:
    """How far such a run is; the part that changes alone when htmx asks for it."""
    user = person(request)
    run = get_object_or_404(CheckRun, pk=id, created_by=user)
    since = Q(looked_at__gte=run.created_at) | Q(checked_at__gte=run.created_at)
    keys = ProviderKey.objects.filter(
        since, pk__in=run.keys.values("key"), application__in=permissions.visible_applications(user)
    )
    troubled = keys.exclude(verdict=Verdict.LIVE, unclear_since=None, refused_at=None)
    specs = {spec.slug: spec for spec in all_specs()}
    context = {
        "run": run,
        "progress": lifecycle.run_progress(run),
        "rows": provider_key_rows(_worst_first(troubled)[:NOT_LIVE_SHOWN], specs),
        "sealed": attention.sealed(),
    }
    template = "keys/_check_run.html" if request.htmx else "keys/check_run.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def _scope(keys: QuerySet[ProviderKey], chosen: Mapping[str, str]) -> QuerySet[ProviderKey]:
    if chosen["application"]:
        keys = keys.filter(application__slug=chosen["application"])
    return keys.filter(provider=chosen["provider"]) if chosen["provider"] else keys


def _worst_first(keys: QuerySet[ProviderKey]) -> QuerySet[ProviderKey]:
    ranks = [When(verdict=verdict, then=Value(rank)) for rank, verdict in enumerate(ORDER)]
    ended = ~Q(state=KeyState.ACTIVE)
    calm = Q(refused_at=None) | Q(verdict=Verdict.DEAD)
    return keys.order_by(
        Case(When(ended, then=1), default=0, output_field=IntegerField()),
        Case(When(calm, then=1), default=0, output_field=IntegerField()),
        Case(*ranks, default=Value(len(ORDER)), output_field=IntegerField()),
        "name",
        "pk",
    )


def _name(specs: Mapping[str, ProviderSpec], slug: str) -> str:
    return specs[slug].name if slug in specs else slug


def _checkable_in(request: HttpRequest) -> set[str]:
    """Ids of the applications whose keys this user may check now."""
    allowed: QuerySet[Application] = permissions.applications_with(person(request), Act.CHECK)
    return set(allowed.values_list("pk", flat=True))
