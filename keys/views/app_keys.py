"""App keys: create, one key's page, its copy menu, rotate, limits."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys import exposure, lifecycle, permissions, snippets
from keys.audit import Actor
from keys.forms.fields import OverlapForm
from keys.forms.keys import AppKeyForm, ConfirmForm, OwnersLimitsForm
from keys.models import AppKey, Application, ProviderKey
from keys.permissions import Act
from keys.providers import ProviderSpec, all_specs
from keys.states import CHANGEABLE, KeyState, Stage, Verdict
from keys.views.acting import ask, carry_out, done, person, posted, step_up
from keys.views.acts import rotation_urls
from keys.views.details import details_url
from keys.views.provider_keys import events_of
from keys.views.rows import app_key_rows, lost, reportable, rights

# What the copy menu offers -> its text, of the key and the provider whose example is shown.
LINES: dict[str, Callable[[ProviderSpec, str], str]] = {
    "value": lambda spec, text: text,
    "export": snippets.export_line,
    "dotenv": snippets.dotenv_line,
}


@require_http_methods(["GET", "POST"])
def app_key_create(request: HttpRequest, slug: str) -> HttpResponse:
    application = permissions.get_application(person(request), slug, Act.CREATE_APP_KEY)
    form = AppKeyForm(posted(request))

    def act() -> HttpResponse:
        data = form.cleaned_data
        key, secret = lifecycle.create_app_key(
            Actor.of(request),
            application,
            name=data["name"],
            providers=data["providers"] or None,
            environment=data["environment"],
            expires_at=form.expires_at(),
            **form.limits(),
        )
        return issued(request, key, secret.reveal(), f"{key.name} is ready to be copied.")

    return carry_out(request, form, act) or ask(
        request,
        "keys/app_key_create.html",
        form,
        back=reverse("application", args=[slug]),
        application=application,
    )


@require_safe
def app_key(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    user = person(request)
    key = permissions.get_app_key(user, slug, id)
    specs = {spec.slug: spec for spec in all_specs()}
    can = rights(user, key.application)
    row = app_key_rows(AppKey.objects.filter(pk=key.pk), specs)[0]
    versions = list(key.versions.defer("sealed").order_by("-number"))
    usable = usable_specs(key, specs)
    chosen = specs.get(request.GET.get("provider", "")) or (usable[0] if usable else None)
    context = {
        "application": key.application,
        "key": key,
        "row": row,
        "can": can,
        "versions": versions,
        "lost": lost(versions),
        "previous": next((v for v in versions if v.stage == Stage.PREVIOUS), None),
        "usable": usable,
        "rejected": rejected_keys(key, usable),
        "events": events_of(request, key.application, key.target),
        "seen_by": exposure.seen_by(key) if can["see_audit"] else [],
        "changeable": key.state in CHANGEABLE,
        "details_url": details_url("app_key", key, can["create_app_key"]),
        **rotation_urls("app_key_act", key, can["rotate_app_key"]),
        "revocable": key.state != KeyState.REVOKED,
        "reportable": reportable(key, lost(versions)),
        **(copy_menu(key, row.last4, chosen) if chosen else {}),
    }
    return render(request, "keys/app_key.html", context)


def usable_specs(key: AppKey, specs: dict[str, ProviderSpec]) -> list[ProviderSpec]:
    """The providers this key can be used with now: allowed, and the application has a key."""
    rows = ProviderKey.objects.filter(application=key.application, state=KeyState.ACTIVE)
    slugs = rows.order_by("created_at").values_list("provider", flat=True)
    found = dict.fromkeys(slug for slug in slugs if slug in specs)
    allowed = set(key.providers) if key.providers else set(found)
    return [specs[slug] for slug in found if slug in allowed]


def rejected_keys(key: AppKey, usable: list[ProviderSpec]) -> list[ProviderKey]:
    """The refused provider keys of providers where this app key has no other to stand in for."""
    rows = ProviderKey.objects.filter(application=key.application, state=KeyState.ACTIVE)
    mine = list(rows.filter(provider__in=[spec.slug for spec in usable]).order_by("name"))
    served = {row.provider for row in mine if row.verdict != Verdict.DEAD}
    return [row for row in mine if row.provider not in served]


def copy_menu(key: AppKey, last4: str, spec: ProviderSpec) -> dict[str, object]:
    """What the menu shows: everything with the key masked."""
    masked = snippets.masked_key(key, last4)
    variable = snippets.variable(spec)
    return {
        "chosen": spec,
        "masked": masked,
        "variable": variable,
        "base_url": snippets.gateway_url(spec),
        "export_line": snippets.export_line(spec, masked),
        "dotenv_line": snippets.dotenv_line(spec, masked),
        "snippets": [
            {
                "language": language,
                "name": name,
                "shown": snippets.render(language, spec, snippets.KeyText(text=masked)),
                "reading": snippets.render(language, spec, snippets.KeyText(variable=variable)),
            }
            for language, name in snippets.LANGUAGES.items()
        ],
    }


@require_POST
def app_key_copy(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    """The text for the clipboard; the audit row comes before the answer."""
    key = permissions.get_app_key(person(request), slug, id, Act.COPY_APP_KEY)
    specs = {spec.slug: spec for spec in all_specs()}
    spec = specs.get(request.POST.get("provider", ""))
    form = request.POST.get("form", "value")
    if form != "value" and (spec is None or form not in {*LINES, *snippets.LANGUAGES}):
        return _plain({"message": "There is no such thing to copy."}, 422)
    try:
        secret = lifecycle.copy_app_key(Actor.of(request), key)
    except lifecycle.LifecycleError as error:
        return _plain({"message": error.message}, 409)
    except lifecycle.VaultError as error:
        return _plain({"message": lifecycle.unopened(error)}, 503)
    text = secret.reveal()
    if spec is not None and form in LINES:
        text = LINES[form](spec, text)
    elif spec is not None:
        text = snippets.render(form, spec, snippets.KeyText(text=text))
    return _plain({"text": text}, 200)


def _plain(body: dict[str, str], status: int) -> HttpResponse:
    answer = JsonResponse(body, status=status)
    answer["Cache-Control"] = "no-store"
    return answer


@require_http_methods(["GET", "POST"])
def app_key_rotate(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_app_key(person(request), slug, id, Act.ROTATE_APP_KEY)
    if answer := step_up(request):
        return answer
    form = OverlapForm(posted(request))

    def act() -> HttpResponse:
        secret = lifecycle.rotate_app_key(
            Actor.of(request),
            key,
            overlap_seconds=form.overlap_seconds(),
            silent_seconds=form.silent_seconds(),
        )
        return issued(request, key, secret.reveal(), f"{key.name} has a new text: copy it.")

    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/app_key_rotate.html", form, back=_page(key), key=key
    )


@require_http_methods(["GET", "POST"])
def app_key_limits(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_app_key(person(request), slug, id, Act.MANAGE_POLICY)
    start = {name: getattr(key, name) for name in OwnersLimitsForm.names}
    form = OwnersLimitsForm(posted(request), initial=start)

    def act() -> HttpResponse:
        lifecycle.set_limits(Actor.of(request), key, **form.limits())
        return done(request, _page(key), "The limits hold from the next call on.")

    return carry_out(request, form, act) or ask(
        request, "keys/app_key_limits.html", form, back=_page(key), key=key
    )


def issued(request: HttpRequest, key: AppKey, text: str, message: str) -> HttpResponse:
    """The key's page, where it is copied; in an application that shows keys once, its text."""
    if not Application.objects.get(pk=key.application_id).show_app_keys_once:
        return done(request, _page(key), message)
    template = "keys/app_key_once.html"
    return ask(request, template, ConfirmForm(), back=_page(key), key=key, revealed=text)


def _page(key: AppKey) -> str:
    return reverse("app_key", args=[key.application.slug, key.pk])
