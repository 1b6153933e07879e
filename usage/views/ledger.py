"""The ledger: the account of every call that was accepted, writer by writer."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from keys import permissions
from keys.audit import Actor
from keys.forms.keys import ConfirmForm
from keys.views.acting import ask, carry_out, done, posted
from usage import stats
from usage.ingest import quarantine as quarantine_acts

# What can be done with a quarantined line, and what is said then.
ACTS = {
    "retry": (quarantine_acts.retry, "The line went into the spool once more."),
    "let-go": (quarantine_acts.let_go, "The line is let go of."),
}


@require_GET
@never_cache
def ledger(request: HttpRequest) -> HttpResponse:
    """Of the whole installation, so for site admins."""
    permissions.require_site_admin(request.user)
    found = stats.ledger()
    context = {"ledger": found, "troubles": stats.troubles(found)}
    return render(request, "usage/ledger.html", context)


@require_GET
@never_cache
def quarantine(request: HttpRequest) -> HttpResponse:
    """The lines that could not be stored, newest first."""
    permissions.require_site_admin(request.user)
    before = request.GET.get("before", "")
    if before and not (before.isascii() and before.isdecimal() and len(before) < 19):
        raise Http404("No such page")
    context = {"lines": stats.quarantined(int(before) if before else None)}
    return render(request, "usage/quarantine.html", context)


@require_http_methods(["GET", "POST"])
def quarantine_act(request: HttpRequest, line: int, act: str) -> HttpResponse:
    """Asks whether a line is to be tried again or let go of, and does it."""
    permissions.require_site_admin(request.user)
    if act not in ACTS:
        raise Http404("No such act")
    form, back = ConfirmForm(posted(request)), reverse("quarantine")
    work, said = ACTS[act]

    def do() -> HttpResponse:
        work(Actor.of(request), line)
        return done(request, back, said)

    found = stats.quarantined_line(line)
    if found is None and request.method != "POST":  # there the act says that somebody saw to it
        raise Http404("No such line")
    template = f"usage/quarantine_{act.replace('-', '_')}.html"
    return carry_out(request, form, do) or ask(request, template, form, back=back, line=found)
