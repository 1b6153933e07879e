"""The one form: application, provider, secret in; both keys out, and on to the snippet."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys import lifecycle, permissions
from keys.audit import Actor
from keys.forms.keys import ConnectForm
from keys.permissions import Act
from keys.views.acting import ask, carry_out, person, posted
from keys.views.app_keys import issued
from keys.views.provider_keys import existing_url, tell_verdict


@require_http_methods(["GET", "POST"])
def connect(request: HttpRequest) -> HttpResponse:
    """The one form: application, provider, secret; both keys come out of it."""
    user = person(request)
    mine = [
        application
        for application in permissions.visible_applications(user)
        if permissions.may(user, application, Act.MANAGE_PROVIDER_KEYS)
    ]
    start = {name: request.GET.get(name, "") for name in ("application", "provider")}
    form = ConnectForm(posted(request), applications=mine, initial=start)

    def act() -> HttpResponse:
        data = form.cleaned_data
        chosen = permissions.get_application(user, data["application"], Act.MANAGE_PROVIDER_KEYS)
        key, app_key = lifecycle.connect(
            Actor.of(request), chosen, provider=data["provider"], secret=data["secret"]
        )
        tell_verdict(request, key)
        text = app_key.issued.reveal() if app_key.issued else ""
        message = "Both keys are ready. Copy the app key or a snippet."
        return issued(request, app_key, text, message)

    return carry_out(request, form, act) or ask(
        request,
        "keys/connect.html",
        form,
        back=reverse("applications"),
        applications=mine,
        existing_url=existing_url(form, form.data.get("application", "")),
    )
