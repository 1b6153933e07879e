"""Provider keys: add, one key's page, rotate, reveal, check now."""

from collections.abc import Iterable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys import exposure, lifecycle, permissions
from keys.audit import Actor
from keys.forms.keys import ProviderKeyForm, ReasonForm, RotateProviderKeyForm
from keys.models import Application, AuditEvent, ProviderKey, User
from keys.permissions import Act
from keys.providers import all_specs
from keys.states import CHANGEABLE, WORKING, Stage, Verdict
from keys.views.acting import ask, carry_out, done, person, posted, refused, step_up
from keys.views.acts import manageable, moved, provider_of, rotation_urls, tell_refused
from keys.views.details import details_url
from keys.views.incidents import incident_of
from keys.views.rows import lost, provider_key_rows, reportable, rights, waiting_app_key

CHECKS_SHOWN = 25
AUDIT_SHOWN = 10


@require_http_methods(["GET", "POST"])
def provider_key_add(request: HttpRequest, slug: str) -> HttpResponse:
    application = permissions.get_application(person(request), slug, Act.MANAGE_PROVIDER_KEYS)
    form = ProviderKeyForm(posted(request))

    def act() -> HttpResponse:
        key = lifecycle.add_provider_key(Actor.of(request), application, **form.cleaned_data)
        tell_verdict(request, key, on_its_page=True)
        return done(request, page_of(key))

    return carry_out(request, form, act) or ask(
        request,
        "keys/provider_key_add.html",
        form,
        back=reverse("application", args=[slug]),
        application=application,
        existing_url=existing_url(form, slug),
    )


@require_safe
def provider_key(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    user = person(request)
    key = permissions.get_provider_key(user, slug, id)
    specs = {spec.slug: spec for spec in all_specs()}
    can = rights(user, key.application)
    row = provider_key_rows(ProviderKey.objects.filter(pk=key.pk), specs)[0]
    versions = list(key.versions.defer("sealed").order_by("-number"))
    got_out = lost(versions)
    still = lifecycle.same_versions(key, [version.number for version in got_out])
    same = [] if got_out else lifecycle.same_secret(key, WORKING, WORKING)
    elsewhere = visible(user, same)
    open_stages = {version.stage: version for version in versions}
    context = {
        "application": key.application,
        "key": key,
        "row": row,
        "can": can,
        "versions": versions,
        "lost": got_out,
        "still_elsewhere": visible(user, still),
        "elsewhere": elsewhere,
        "goes_along": bool(elsewhere) and bool(manageable(request, lifecycle.same_current(key))),
        "out_elsewhere": lifecycle.out_elsewhere(key),
        "waiting": open_stages.get(Stage.PENDING) or open_stages.get(Stage.TESTED),
        "previous": open_stages.get(Stage.PREVIOUS),
        "incident": incident_of(key.provider, specs),
        "checks": key.checks.order_by("-at")[:CHECKS_SHOWN],
        "events": events_of(request, key.application, key.target),
        "seen_by": exposure.seen_by(key) if can["see_audit"] else [],
        "changeable": key.state in CHANGEABLE,
        "reportable": reportable(key, got_out),
        "details_url": details_url("provider_key", key, can["manage_provider_keys"]),
        **rotation_urls("provider_key_act", key, can["manage_provider_keys"]),
    }
    return render(request, "keys/provider_key.html", context)


@require_http_methods(["GET", "POST"])
def provider_key_rotate(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_provider_key(person(request), slug, id, Act.MANAGE_PROVIDER_KEYS)
    if answer := step_up(request):
        return answer
    # A secret that is refused is of no use beside the new one.
    was_dead = key.verdict == Verdict.DEAD
    start = {"overlap": "0"} if was_dead else {}
    others = manageable(request, lifecycle.same_current(key))
    spec = provider_of(key)
    can_test = spec is not None and spec.probe is not None
    form = RotateProviderKeyForm(posted(request), initial=start, others=others, can_test=can_test)

    def act() -> HttpResponse:
        version, refused = lifecycle.rotate_everywhere(
            Actor.of(request),
            key,
            form.chosen(),
            secret=form.cleaned_data["secret"],
            overlap_seconds=form.overlap_seconds(),
            silent_seconds=form.silent_seconds(),
        )
        tell_refused(request, refused)
        if version.stage == Stage.CURRENT:
            if was_dead and key.last_used_at is None and (app_key := waiting_app_key(key)):
                message = f"{key.name} works now. Copy the app key or a snippet."
                return done(request, reverse("app_key", args=[slug, app_key.pk]), message)
            return done(request, page_of(key), moved(key, len(form.chosen()) - len(refused)))
        why = "gave no clear answer about" if can_test else "can’t be asked for free about"
        name = spec.name if spec else "The provider"
        text = f"{name} {why} the new secret, so the old one stays in use."
        messages.warning(request, f"{text} Use the new one untested, or drop it.")
        return done(request, page_of(key))

    return carry_out(request, form, act, fresh=True) or ask(
        request,
        "keys/provider_key_rotate.html",
        form,
        back=page_of(key),
        key=key,
        spec=spec,
        can_test=can_test,
        existing_url=existing_url(form, slug),
    )


@require_http_methods(["GET", "POST"])
def provider_key_reveal(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_provider_key(person(request), slug, id, Act.REVEAL_PROVIDER_KEY)
    if answer := step_up(request):
        return answer
    form = ReasonForm(posted(request))

    def act() -> HttpResponse:
        secret = lifecycle.reveal_provider_key(
            Actor.of(request), key, reason=form.cleaned_data["reason"]
        )
        return ask(
            request,
            "keys/provider_key_revealed.html",
            ReasonForm(),
            back=page_of(key),
            key=key,
            revealed=secret.reveal(),
        )

    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/provider_key_reveal.html", form, back=page_of(key), key=key
    )


@require_POST
def provider_key_check(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_provider_key(person(request), slug, id, Act.CHECK)
    back = reverse("checks") if request.POST.get("back") == "checks" else page_of(key)
    try:
        lifecycle.check_provider_key(Actor.of(request), key)
    except (lifecycle.LifecycleError, lifecycle.VaultError) as error:
        return refused(request, back, error)
    tell_verdict(request, key, on_its_page=back == page_of(key))
    return done(request, back)


def visible(user: User, keys: Iterable[ProviderKey]) -> list[ProviderKey]:
    """Those of these keys of other applications that this person may see."""
    return [key for key in keys if permissions.may(user, key.application, Act.SEE)]


def tell_verdict(request: HttpRequest, key: ProviderKey, *, on_its_page: bool = False) -> None:
    """Say at once what the provider thinks of a key; a refusal stands on the key's page anyway."""
    if getattr(key, "trimmed", False):
        messages.info(request, "Spaces or line breaks around the secret were taken off.")
    spec = provider_of(key)
    name = spec.name if spec else key.provider
    this = f"provider key “{key.name}”"  # with its kind: it is often named like its provider
    if key.suspect or key.verdict == Verdict.DEAD:
        text = f"The {this}: rejected by the provider. {name} does not accept this secret."
        if not on_its_page:
            messages.error(request, text)
    elif key.verdict == Verdict.LIVE:
        messages.success(request, f"The {this} is live: {name} accepts it.")
    elif key.verdict in (Verdict.EXHAUSTED, Verdict.LIMITED):
        messages.warning(request, f"{name} knows the {this}, but it is {key.verdict}.")
    elif spec is not None and spec.probe is None:
        messages.info(request, f"{name} cannot be checked for free: the first call will tell.")
    else:
        text = f"{name} gave no clear answer about the {this} yet. Keydeck goes on looking."
        messages.warning(request, text)


def events_of(request: HttpRequest, application: Application, target: str) -> list[AuditEvent]:
    """The latest audit events of one key, as far as this user may see them."""
    events = permissions.visible_events(person(request))
    rows = events.filter(application_id=application.pk, target=target)
    return list(rows.order_by("-id")[:AUDIT_SHOWN])


def existing_url(form: object, slug: str) -> str:
    """The page of the key that is in the way of what the form asked for."""
    id = getattr(form, "existing", "")
    found = ProviderKey.objects.filter(pk=id, application__slug=slug).exists() if id else False
    return reverse("provider_key", args=[slug, id]) if found else ""


def page_of(key: ProviderKey) -> str:
    """The address of a provider key's page."""
    return reverse("provider_key", args=[key.application.slug, key.pk])
