"""The words on a key: note, tags, environment, and whom to ask."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys import lifecycle, permissions
from keys.audit import Actor
from keys.forms.details import DetailsForm, ShareForm
from keys.models import AppKey, ProviderKey
from keys.permissions import Act
from keys.views.acting import ask, carry_out, done, person, posted


@require_http_methods(["GET", "POST"])
def provider_key_details(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_provider_key(person(request), slug, id, Act.MANAGE_PROVIDER_KEYS)
    return _details(request, key, reverse("provider_key", args=[slug, id]))


@require_http_methods(["GET", "POST"])
def app_key_details(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_app_key(person(request), slug, id, Act.CREATE_APP_KEY)
    return _details(request, key, reverse("app_key", args=[slug, id]))


@require_http_methods(["GET", "POST"])
def provider_key_share(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    """When its turn in the pool comes, how many of the calls are its own, and how many at once."""
    key = permissions.get_provider_key(person(request), slug, id, Act.MANAGE_PROVIDER_KEYS)
    start = {"priority": key.priority, "weight": key.weight, "concurrency": key.concurrency}
    form, page = ShareForm(posted(request), initial=start), reverse("provider_key", args=[slug, id])

    def act() -> HttpResponse:
        lifecycle.set_share(Actor.of(request), key, **form.cleaned_data)
        return done(request, page, "It holds from the next call on.")

    return carry_out(request, form, act) or ask(
        request, "keys/provider_key_share.html", form, back=page, key=key
    )


def _details(request: HttpRequest, key: ProviderKey | AppKey, page: str) -> HttpResponse:
    form = DetailsForm(posted(request), key=key)

    def act() -> HttpResponse:
        lifecycle.describe(Actor.of(request), key, **form.cleaned_data)
        return done(request, page, f"{key.name} is described.")

    return carry_out(request, form, act) or ask(
        request, "keys/key_details.html", form, back=page, key=key
    )


def details_url(page: str, key: ProviderKey | AppKey, allowed: bool) -> str:
    """Where the button of the key's details leads, for those who may change them."""
    return reverse(f"{page}_details", args=[key.application.slug, key.pk]) if allowed else ""
