"""What a provider charges: everybody reads it, site admins say it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys import lifecycle, permissions
from keys.audit import Actor
from keys.forms.prices import COLUMNS, PricesForm
from keys.providers import UnknownProvider, get
from keys.views.acting import ask, carry_out, done, person, posted


@require_http_methods(["GET", "POST"])
def provider_prices(request: HttpRequest, provider: str) -> HttpResponse:
    admin = permissions.is_site_admin(person(request))
    if request.method == "POST":
        permissions.require_site_admin(request.user)
    try:
        spec = get(provider)
    except UnknownProvider:
        raise Http404("No such provider") from None
    prices = lifecycle.prices_of(provider)
    form = PricesForm(posted(request), prices=prices)

    def act() -> HttpResponse:
        lifecycle.set_prices(Actor.of(request), provider, form.given())
        message = f"The prices of {spec.name} are set. Estimates of past calls follow them."
        return done(request, reverse("providers"), message)

    return carry_out(request, form, act) or ask(
        request,
        "keys/provider_prices.html",
        form,
        back=reverse("providers"),
        spec=spec,
        admin=admin,
        prices=prices,
        columns=COLUMNS.values(),
    )
