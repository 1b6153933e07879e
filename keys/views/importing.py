"""Many keys at once: pasted, tried, imported, and how far their checks are."""

from datetime import datetime, timedelta

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import reswap, retarget

from keys import lifecycle, pasted, permissions
from keys.audit import Actor
from keys.forms.details import ImportForm
from keys.lifecycle import ImportRefused
from keys.models import Application, ProviderKey
from keys.permissions import Act
from keys.providers import all_specs
from keys.states import Verdict
from keys.views.acting import carry_out, person, posted

SHOWN = 50  # rows that are listed one by one
WINDOW = ("since", "until")  # when the keys of one import were made
GIVES_UP = timedelta(minutes=15)  # a page stops asking how far the checks are


@require_http_methods(["GET", "POST"])
def keys_import(request: HttpRequest, slug: str) -> HttpResponse:
    application = permissions.get_application(person(request), slug, Act.MANAGE_PROVIDER_KEYS)
    form = ImportForm(posted(request), request.FILES or None)

    def act() -> HttpResponse:
        try_only, text = "try" in request.POST, form.cleaned_data["text"]
        try:
            made = lifecycle.import_keys(Actor.of(request), application, text, try_only=try_only)
        except ImportRefused as refusal:
            column = "Variable" if pasted.is_dotenv(text) else "Column"
            told = {"refusal": refusal, "faults": refusal.faults[:SHOWN], "column": column}
            return _answer(request, application, form, 422, **told)
        dotenv = made.dotenv.reveal() if made.dotenv else ""
        more = len(made.keys) - SHOWN
        names = {spec.slug: spec.name for spec in all_specs()}
        ends = [made.keys[0].created_at, made.keys[-1].created_at] if made.keys else []
        window = urlencode(dict(zip(WINDOW, (end.isoformat() for end in ends), strict=False)))
        known = list({key.pk: key for key in made.known}.values())
        found = {
            "made": made,
            "known": known[:SHOWN],
            "known_more": len(known) - SHOWN,
            "rows": [(key, names[key.provider]) for key in made.keys[:SHOWN]],
            "more": more,
            "tried": try_only,
            "window": window,
            # Each line, and whether an imported secret stands in it all the same.
            "lines": [(line, n in made.still) for n, line in enumerate(pasted.lines(dotenv), 1)],
        }
        answer = _answer(request, application, form, 200, **found)
        if not try_only and request.htmx:  # type: ignore[attr-defined]
            reswap(retarget(answer, "#import"), "outerHTML")
        return answer

    answer = carry_out(request, form, act)
    status = 422 if form.errors else 200
    return answer or _answer(request, application, form, status)


@require_safe
def keys_import_progress(request: HttpRequest, slug: str) -> HttpResponse:
    """How many of the keys that one import made the checks have looked at."""
    application = permissions.get_application(person(request), slug)
    try:
        since, until = (datetime.fromisoformat(request.GET.get(name, "")) for name in WINDOW)
        rows = ProviderKey.objects.filter(application=application, created_by=person(request))
        keys = list(rows.filter(created_at__range=(since, until)).order_by("name"))
    except ValueError:
        raise Http404("No such import") from None
    asked = {spec.slug for spec in all_specs() if spec.probe is not None}
    waiting = [key for key in keys if key.verdict == Verdict.UNCHECKED and key.provider in asked]
    context = {
        "application": application,
        "total": len(keys),
        "looked_at": len(keys) - len(waiting),
        "percent": 100 * (len(keys) - len(waiting)) // max(len(keys), 1),
        "rejected": [key for key in keys if key.verdict == Verdict.DEAD][:SHOWN],
        "goes_on": bool(waiting) and timezone.now() - until < GIVES_UP,
    }
    return render(request, "keys/_import_progress.html", context)


def _answer(
    request: HttpRequest, application: Application, form: ImportForm, status: int, **told: object
) -> HttpResponse:
    """The answer alone when htmx asked for it, else the page around it."""
    part = request.htmx and request.method == "POST"  # type: ignore[attr-defined]
    template = "keys/_import_answer.html" if part else "keys/import.html"
    context = {"application": application, "form": form, **told}
    answer = render(request, template, context, status=status)
    answer["Cache-Control"] = "no-store"
    return answer
