"""The one form: application, provider, secret in; both keys out, and on to the snippet."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys import lifecycle, permissions
from keys.audit import Actor
from keys.forms.keys import ConnectForm
from keys.lifecycle import Invalid
from keys.models import AppKey, Application, ProviderKey
from keys.permissions import Act
from keys.states import Verdict
from keys.views.acting import ask, carry_out, done, person, posted
from keys.views.app_keys import issued
from keys.views.provider_keys import existing_url, page_of, tell_verdict


@require_http_methods(["GET", "POST"])
def connect(request: HttpRequest) -> HttpResponse:
    """The one form: application, provider, secret; both keys come out of it."""
    user = person(request)
    mine = permissions.applications_with(user, Act.MANAGE_PROVIDER_KEYS)
    start = {name: request.GET.get(name, "") for name in ("application", "provider")}
    form = ConnectForm(posted(request), applications=mine, initial=start)

    def act() -> HttpResponse:
        key, app_key = _connect(request, form)
        text = app_key.issued.reveal() if app_key.issued else ""
        rejected = key.verdict == Verdict.DEAD
        if rejected and not app_key.application.show_app_keys_once:
            tell_verdict(request, key, on_its_page=True)
            return done(request, page_of(key))  # it says so, and replaces the secret
        tell_verdict(request, key)
        message = "" if rejected else "Both keys are ready. Copy the app key or a snippet."
        return issued(request, app_key, text, message)

    return carry_out(request, form, act) or ask(
        request,
        "keys/connect.html",
        form,
        back=reverse("applications"),
        existing_url=existing_url(form, form.data.get("application", "")),
    )


def _connect(request: HttpRequest, form: ConnectForm) -> tuple[ProviderKey, AppKey]:
    data = form.cleaned_data
    chosen: Application | str = data["application_name"]
    if not form.makes_application(data):
        slug = data["application"]
        chosen = permissions.get_application(person(request), slug, Act.MANAGE_PROVIDER_KEYS)
    try:
        return lifecycle.connect(
            Actor.of(request), chosen, provider=data["provider"], secret=data["secret"]
        )
    except Invalid as error:
        if error.field in ("name", "slug"):
            raise Invalid("application_name", error.message) from error
        raise
