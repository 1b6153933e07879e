"""Saying that a secret got out: what would break, who has seen it, and its end in one act."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys import exposure, lifecycle, permissions
from keys.audit import Actor
from keys.forms.compromise import CompromisedForm
from keys.permissions import Act
from keys.views.acting import ask, carry_out, done, person, posted, step_up
from keys.views.acts import in_use, manageable, provider_of, tell_refused
from keys.views.app_keys import issued
from keys.views.provider_keys import existing_url


@require_http_methods(["GET", "POST"])
def provider_key_compromised(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_provider_key(person(request), slug, id, Act.MANAGE_PROVIDER_KEYS)
    if answer := step_up(request):
        return answer
    twins = lifecycle.same_secret(key)
    mine = manageable(request, twins)
    form = CompromisedForm(posted(request), key=key, typed=in_use(key), others=mine)

    def act() -> HttpResponse:
        refused = lifecycle.report_everywhere(
            Actor.of(request),
            key,
            form.chosen(),
            reason=form.cleaned_data["reason"],
            secret=form.cleaned_data.get("secret", ""),
        )
        tell_refused(request, refused)
        return done(request, page, f"{key.name}: the secret that got out is refused now.")

    page = reverse("provider_key", args=[slug, id])
    return carry_out(request, form, act, fresh=True) or ask(
        request,
        "keys/compromised.html",
        form,
        back=page,
        key=key,
        spec=provider_of(key),
        hidden_twins=len(twins) - len(mine),
        seen_by=exposure.seen_by(key),
        existing_url=existing_url(form, slug),
    )


@require_http_methods(["GET", "POST"])
def app_key_compromised(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_app_key(person(request), slug, id, Act.REVOKE_APP_KEY)
    if answer := step_up(request):
        return answer
    form = CompromisedForm(posted(request), key=key, typed=in_use(key))
    page = reverse("app_key", args=[slug, id])

    def act() -> HttpResponse:
        data = form.cleaned_data
        text = lifecycle.report_compromised(
            Actor.of(request), key, reason=data["reason"], replace=data.get("replace", False)
        )
        told = f"{key.name}: the text that got out is refused now."
        return issued(request, key, text.reveal(), told) if text else done(request, page, told)

    return carry_out(request, form, act, fresh=True) or ask(
        request,
        "keys/compromised.html",
        form,
        back=page,
        key=key,
        seen_by=exposure.seen_by(key),
    )
