"""Providers: what is known of each, and a site admin's own ones."""

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from keys import lifecycle, permissions, probe_counts
from keys.audit import Actor
from keys.forms.team import BaseUrlForm, ProviderForm
from keys.models import PriceList, Provider, ProviderKey
from keys.providers import ProviderSpec, all_specs
from keys.states import KeyState
from keys.views.acting import ask, carry_out, done, person, posted, step_up

_PLACES = {
    "bearer": "Authorization: Bearer …",
    "basic": "Authorization: Basic …",
    "header": "header {}",
    "query": "parameter {}",
    "body": "JSON member {}",
}


@require_safe
def providers(request: HttpRequest) -> HttpResponse:
    user = person(request)
    mine = permissions.visible_applications(user)
    counts = dict(
        ProviderKey.objects.filter(application__in=mine)
        .values_list("provider")
        .annotate(Count("pk"))
    )
    probes = probe_counts.sent()
    custom = set(Provider.objects.values_list("slug", flat=True))
    prices = {found.provider: len(found.rows) for found in PriceList.objects.all()}
    rows = [
        {
            "spec": spec,
            "place": _place(spec),
            "custom": spec.slug in custom,
            "keys": counts.get(spec.slug, 0),
            "prices": prices.get(spec.slug, 0),
            "probes": probes.get(spec.slug, 0),
        }
        for spec in all_specs()
    ]
    context = {"rows": rows, "admin": permissions.is_site_admin(user)}
    return render(request, "keys/providers.html", context)


@require_http_methods(["GET", "POST"])
def provider_create(request: HttpRequest) -> HttpResponse:
    permissions.require_site_admin(person(request))
    if answer := step_up(request):
        return answer
    form = ProviderForm(posted(request))

    def act() -> HttpResponse:
        made = lifecycle.create_custom_provider(Actor.of(request), **form.cleaned_data)
        url = f"{reverse('connect')}?provider={made.slug}"
        return done(request, url, f"{made.name} is a provider now. Connect its first key.")

    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/provider_create.html", form, back=reverse("providers")
    )


@require_http_methods(["GET", "POST"])
def provider_url(request: HttpRequest, provider: str) -> HttpResponse:
    """Point a custom provider elsewhere."""
    permissions.require_site_admin(person(request))
    found = get_object_or_404(Provider, pk=provider)
    if answer := step_up(request):
        return answer
    form = BaseUrlForm(posted(request), initial={"base_url": found.base_url})

    def act() -> HttpResponse:
        lifecycle.change_base_url(Actor.of(request), provider, **form.cleaned_data)
        message = f"{found.name} is elsewhere now. Its keys wait until their secrets are entered."
        return done(request, reverse("providers"), message)

    waiting = ProviderKey.objects.filter(provider=provider).exclude(state=KeyState.REVOKED)
    return carry_out(request, form, act, fresh=True) or ask(
        request,
        "keys/provider_url.html",
        form,
        back=reverse("providers"),
        provider=found,
        waiting=waiting.count(),
    )


def _place(spec: ProviderSpec) -> str:
    place = spec.placement(spec.example.path, frozenset())
    return _PLACES[place.place].format(place.name)
