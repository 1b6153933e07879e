"""The hygiene inbox: what ought to be tidied up, gravest first, each with what to do about it."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys import jobs, permissions
from keys.audit import Actor
from keys.lifecycle import LifecycleError, VaultError
from keys.models import User
from keys.permissions import Act
from keys.views.acting import ask, carry_out, done, person, posted, refused
from keys.views.filters import Filters
from usage import hygiene as tidying
from usage.models import HygieneFinding
from usage.views.alert_forms import SnoozeForm

PER_PAGE = 50
SWEEP = "usage.tasks.sweep_hygiene"


@dataclass(frozen=True, slots=True)
class Row:
    finding: HygieneFinding
    page: str  # of the key
    words: str
    form: str  # address of the form that mends it; empty: a click does
    allowed: bool


@require_safe
@never_cache
def hygiene(request: HttpRequest) -> HttpResponse:
    user, now = person(request), timezone.now()
    everything = tidying.inbox(user)
    asked, applications = Filters(request.GET), list(permissions.visible_applications(user))
    if slug := asked.choice("application", {row.slug for row in applications}):
        everything = everything.filter(application__slug=slug)
    waiting = tidying.waiting(everything, now)
    snoozed = asked.choice("snoozed", {"1"}) == "1"
    told = waiting.order_by("code").values_list("code").annotate(Count("pk"))
    counts = Counter(dict(told))
    chosen = asked.choice("code", tidying.CODES, "kind of finding")
    rows = everything.filter(snoozed_until__gt=now) if snoozed else waiting
    if chosen:
        rows = rows.filter(code=chosen)
    page = asked.page(tidying.gravest_first(rows), PER_PAGE)
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "page": page,
        "query": query.urlencode(),
        "rows": _rows(user, list(page)),
        "unswept": not page.paginator.count and _is_unswept(),
        "codes": [(code, counts[code.slug]) for code in tidying.CODES.values()],
        "total": sum(counts.values()),
        "chosen": tidying.CODES.get(chosen),
        "snoozed": snoozed,
        "later": everything.filter(snoozed_until__gt=now).count(),
        "application": slug,
        "applications": applications,
        "complaints": asked.complaints.values(),
    }
    return render(request, "usage/hygiene.html", context)


def _is_unswept() -> bool:
    """Nobody looked yet, so that nothing was found says nothing."""
    return any(one.name == SWEEP and one.last_at is None for one in jobs.standings())


@require_POST
def hygiene_fix(request: HttpRequest, id: int) -> HttpResponse:
    finding = _finding(request, id)
    back = _back(request)
    try:
        words = tidying.fix(Actor.of(request), finding)
    except (LifecycleError, VaultError) as error:
        return refused(request, back, error)
    return done(request, back, f"{finding.name}: {words.lower()} – done.")


@require_http_methods(["GET", "POST"])
def hygiene_snooze(request: HttpRequest, id: int) -> HttpResponse:
    finding = _finding(request, id)
    key = tidying.key_of(finding)
    right = tidying.FIXES[finding.code].right(key.kind)
    permissions.require(person(request), key.application, right)
    form = SnoozeForm(posted(request))

    def act() -> HttpResponse:
        days = int(form.cleaned_data["days"])
        tidying.snooze(Actor.of(request), finding, days)
        return done(request, _back(request), f"{finding.name} comes back in {days} days.")

    code = tidying.CODES[finding.code]
    return carry_out(request, form, act) or ask(
        request,
        "usage/hygiene_snooze.html",
        form,
        back=reverse("hygiene"),
        about=finding,
        code=code,
    )


def _rows(user: User, findings: list[HygieneFinding]) -> list[Row]:
    acts: dict[str, frozenset[Act]] = {}
    member = set(user.memberships.values_list("application_id", flat=True))
    for finding in findings:
        if finding.application_id not in acts:
            acts[finding.application_id] = permissions.acts_of(user, finding.application)
    return [
        _row(finding, acts[finding.application_id], finding.application_id in member)
        for finding in findings
    ]


def _row(finding: HygieneFinding, acts: frozenset[Act], member: bool) -> Row:
    kind, _, id = finding.target.partition(":")
    place, fix = [finding.application.slug, id], tidying.FIXES[finding.code]
    form, words = fix.form, fix.words
    if finding.code == "no_owner" and not member:
        form, words = "details", "Say who"  # only members answer for a key
    address = reverse(f"{kind}_{form}", args=place) if form else ""
    return Row(finding, reverse(kind, args=place), words, address, fix.right(kind) in acts)


def _finding(request: HttpRequest, id: int) -> HygieneFinding:
    return get_object_or_404(tidying.inbox(person(request)), pk=id)


def _back(request: HttpRequest) -> str:
    """The inbox as it was looked at."""
    query = request.GET.urlencode()
    return f"{reverse('hygiene')}{f'?{query}' if query else ''}"
