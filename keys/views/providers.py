"""Providers: what is known of each, and a site admin's own ones."""

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from keys import lifecycle, permissions
from keys.audit import Actor
from keys.forms.team import ProviderForm
from keys.models import Provider, ProviderKey
from keys.providers import ProviderSpec, all_specs
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
    custom = set(Provider.objects.values_list("slug", flat=True))
    rows = [
        {
            "spec": spec,
            "place": _place(spec),
            "custom": spec.slug in custom,
            "keys": counts.get(spec.slug, 0),
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


def _place(spec: ProviderSpec) -> str:
    place = spec.placement(spec.example.path, frozenset())
    return _PLACES[place.place].format(place.name)
