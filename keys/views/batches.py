"""One act on many keys: chosen on the application's page, confirmed, and watched."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys import lifecycle, permissions
from keys.audit import Actor
from keys.finding import Filter
from keys.forms.batches import BatchForm
from keys.lifecycle import Invalid, LifecycleError
from keys.models import KEYS, Application, Batch
from keys.permissions import Act
from keys.states import TRANSITIONS, KeyState
from keys.views.acting import ask, carry_out, done, person, posted, refused, step_up
from keys.views.acts import MISSED_SINCE

SHOWN = 100  # refused keys that are listed one by one
NAMED = 20  # chosen keys that are named before a yes
GONE = ("A key that is gone", "")
WORDS = {
    "disable": "Disable",
    "enable": "Enable",
    "revoke": "Revoke",
    "rotate": "Rotate",
    "tag": "Put a tag on",
    "untag": "Take a tag off",
}


def filter_of(request: HttpRequest) -> Filter:
    """The filter that an address carries."""
    names = Filter.__dataclass_fields__
    return Filter(**{name: request.GET.get(name, "")[:100] for name in names})


def acts_offered(can: dict[str, bool]) -> dict[str, list[tuple[str, str]]]:
    """What this person may do with many keys: kind -> (act, its word)."""
    return {
        kind: [
            (act, WORDS[act])
            for act, one in lifecycle.BATCH_ACTS.items()
            if kind in one.kinds and can[one.of.right(kind)]
        ]
        for kind in KEYS
    }


@require_http_methods(["GET", "POST"])
def batch_start(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    act_name = request.GET.get("act", "")
    try:
        right = lifecycle.right_for(kind, act_name)
    except Invalid:
        raise Http404("No such act") from None
    application = permissions.get_application(person(request), slug, right)
    fresh = lifecycle.BATCH_ACTS[act_name].of.step_up
    if fresh and (answer := step_up(request)):
        return answer
    chosen = _chosen(request, application, kind, act_name)
    typed = str(len(chosen.ids)) if chosen.used and act_name in ("revoke", "disable") else ""
    form = BatchForm(posted(request), act=act_name, typed=typed)

    def act() -> HttpResponse:
        batch = lifecycle.start_batch(
            Actor.of(request), application, kind, act_name, chosen.ids, form.argument()
        )
        return done(request, reverse("batch", args=[slug, batch.pk]))

    return carry_out(request, form, act, fresh=fresh) or ask(
        request,
        "keys/batch_start.html",
        form,
        back=reverse("application", args=[slug]),
        application=application,
        act=act_name,
        kind=kind,
        word=WORDS[act_name],
        count=len(chosen.ids),
        used=chosen.used,
        names=chosen.names[:NAMED],
        more=len(chosen.names) - NAMED,
        left_out=chosen.left_out,
        already=_ends_in(act_name),
        most=lifecycle.MOST_KEYS,
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """The keys that an act is asked for, by name; without those it would change nothing on."""

    ids: list[str]
    names: list[str]
    used: int  # how many of them were used in the last week, and work
    left_out: int


def _chosen(request: HttpRequest, application: Application, kind: str, act: str) -> Chosen:
    rows: QuerySet[Any] = KEYS[kind]._default_manager.filter(application=application)
    if request.GET.get("all"):
        rows = filter_of(request).over(rows)
    found = rows.order_by("name").values_list("pk", "name", "state", "last_used_at")
    ticked = set(request.GET.getlist("key"))
    chosen = [row for row in found if request.GET.get("all") or row[0] in ticked]
    keys = [row for row in chosen if row[2] != _ends_in(act)]
    since = timezone.now() - MISSED_SINCE
    used = [at for *_, state, at in keys if state == KeyState.ACTIVE and at and at > since]
    names = [name for _, name, *_ in keys]
    return Chosen([pk for pk, *_ in keys], names, len(used), len(chosen) - len(keys))


def _ends_in(act: str) -> str:
    """The state in which an act leaves a key; "" where it leaves that as it is."""
    return TRANSITIONS[act][1] if act in TRANSITIONS else ""


@require_safe
def batch(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    """How far a batch is; the part that changes alone when htmx asks for it."""
    application = permissions.get_application(person(request), slug)
    found = get_object_or_404(Batch, pk=id, application=application)
    refusals = list(found.items.filter(outcome="refused").order_by("pk")[:SHOWN])
    names = _names(found, [item.key_id for item in refusals])
    context = {
        "application": application,
        "batch": found,
        "word": WORDS[found.act],
        "settled": found.done + found.refused,
        "refusals": [(item, *names.get(item.key_id, GONE)) for item in refusals],
        "outcome": _outcome(found),
        "left": found.total - found.done - found.refused,
        "may_stop": permissions.may(person(request), application, _right(found)),
    }
    template = "keys/_batch.html" if request.htmx else "keys/batch.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def _names(found: Batch, ids: list[str]) -> dict[str, tuple[str, str]]:
    """The name and the page of each key that still exists."""
    there: QuerySet[Any] = KEYS[found.kind]._default_manager.filter(
        application=found.application_id, pk__in=ids
    )
    slug = found.application.slug
    return {
        pk: (name, reverse(found.kind, args=[slug, pk]))
        for pk, name in there.values_list("pk", "name")
    }


def _outcome(found: Batch) -> str:
    """How a batch ended; "" while it hasn't."""
    if found.ended_at is None:
        return ""
    if found.stopped:
        return "stopped"
    return "refused" if found.refused else "done"


def _right(found: Batch) -> Act:
    return lifecycle.right_for(found.kind, found.act)


@require_POST
def batch_stop(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    application = permissions.get_application(person(request), slug)
    found = get_object_or_404(Batch, pk=id, application=application)
    permissions.require(person(request), application, _right(found))
    page = reverse("batch", args=[slug, id])
    try:
        lifecycle.stop_batch(Actor.of(request), found)
    except LifecycleError as error:
        return refused(request, page, error)
    return done(request, page, "Stopped. What was done stays done.")
