"""Applications: the list, a new one, one with its keys, and its people and policy."""

from django.db.models import Count, Max, Q
from django.forms import model_to_dict
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys import attention, exposure, lifecycle, permissions
from keys.audit import Actor
from keys.forms.keys import ConfirmForm, ReasonForm, TypedForm
from keys.forms.team import (
    ApplicationForm,
    MemberForm,
    PolicyForm,
    RoleForm,
)
from keys.models import Application, Membership
from keys.permissions import Act
from keys.providers import all_specs
from keys.states import CHANGEABLE, KeyState
from keys.tokens import ENVIRONMENTS
from keys.views.acting import ask, carry_out, done, person, posted, step_up
from keys.views.batches import acts_offered, filter_of
from keys.views.invited import welcome
from keys.views.rows import app_key_rows, listed, provider_key_rows, rights

FEW = 10  # keys of a kind that are looked through without a filter


@require_safe
def applications(request: HttpRequest) -> HttpResponse:
    usable = Q(provider_keys__state=KeyState.ACTIVE)
    rows = permissions.visible_applications(person(request)).annotate(
        provider_key_count=Count("provider_keys", filter=usable, distinct=True),
        app_key_count=Count("app_keys", filter=Q(app_keys__state=KeyState.ACTIVE), distinct=True),
        member_count=Count("memberships", distinct=True),
        used_at=Max("app_keys__last_used_at"),
    )
    found = list(rows)
    troubled = {alert.application_id for alert in attention.alerts(found)}
    return render(request, "keys/applications.html", {"applications": found, "troubled": troubled})


@require_http_methods(["GET", "POST"])
def application_create(request: HttpRequest) -> HttpResponse:
    form = ApplicationForm(posted(request))

    def act() -> HttpResponse:
        made = lifecycle.create_application(
            Actor.of(request),
            name=form.cleaned_data["name"],
            slug=form.cleaned_data["slug"] or None,
        )
        return done(request, _page(made), f"{made.name} is ready. Connect its first provider.")

    return carry_out(request, form, act) or ask(
        request, "keys/application_create.html", form, back=reverse("applications")
    )


@require_safe
def application(request: HttpRequest, slug: str) -> HttpResponse:
    found = permissions.get_application(person(request), slug)
    specs = {spec.slug: spec for spec in all_specs()}
    wanted = filter_of(request)
    provider_keys = listed(wanted.over(found.provider_keys.all()), request.GET.get("provider_keys"))
    app_keys = listed(wanted.over(found.app_keys.all()), request.GET.get("app_keys"))
    can = rights(person(request), found)
    context = {
        "application": found,
        "tab": "keys",
        "can": can,
        "wanted": wanted,
        "to_rotate": exposure.to_rotate([found]) if can["see_audit"] else [],
        "provider_key_page": provider_keys,
        "app_key_page": app_keys,
        "provider_keys": provider_key_rows(provider_keys, specs),
        "app_keys": app_key_rows(app_keys, specs),
        "many": wanted or max(provider_keys.paginator.count, app_keys.paginator.count) > FEW,
        "batches": found.batches.filter(ended_at=None).order_by("created_at"),
        "environments": ENVIRONMENTS,
        "states": list(KeyState),
        "acts": acts_offered(can),
    }
    return render(request, "keys/application.html", context)


@require_safe
def application_people(request: HttpRequest, slug: str) -> HttpResponse:
    found = permissions.get_application(person(request), slug)
    context = {
        "application": found,
        "tab": "people",
        "can": rights(person(request), found),
        "memberships": found.memberships.select_related("user").order_by("user__email"),
        "policy": PolicyForm(initial=model_to_dict(found)),
        "data_keys": found.data_keys.filter(spent_at=None).order_by("-version"),
    }
    return render(request, "keys/application_people.html", context)


@require_POST
def application_policy(request: HttpRequest, slug: str) -> HttpResponse:
    found = permissions.get_application(person(request), slug, Act.MANAGE_POLICY)
    form = PolicyForm(request.POST)
    if form.is_valid():
        lifecycle.set_policy(Actor.of(request), found, **form.cleaned_data)
    return done(request, _people(found), "The policy is saved.")


@require_http_methods(["GET", "POST"])
def application_delete(request: HttpRequest, slug: str) -> HttpResponse:
    found = permissions.get_application(person(request), slug, Act.DELETE_APPLICATION)
    if answer := step_up(request):
        return answer
    form = TypedForm(posted(request), name=found.name)
    working = {"state__in": CHANGEABLE}

    def act() -> HttpResponse:
        lifecycle.delete_application(Actor.of(request), found)
        return done(
            request,
            reverse("applications"),
            f"{found.name} is deleted. What is recorded of its calls is being erased.",
        )

    return carry_out(request, form, act, fresh=True) or ask(
        request,
        "keys/application_delete.html",
        form,
        back=_people(found),
        application=found,
        provider_keys=found.provider_keys.filter(**working).count(),
        app_keys=found.app_keys.filter(**working).count(),
    )


@require_http_methods(["GET", "POST"])
def data_key_rotate(request: HttpRequest, slug: str) -> HttpResponse:
    found = permissions.get_application(person(request), slug, Act.MANAGE_POLICY)
    if answer := step_up(request):
        return answer
    form = ConfirmForm(posted(request))

    def act() -> HttpResponse:
        lifecycle.start_data_key_rotation(Actor.of(request), found)
        message = "There is a new data key. What is sealed under the old one is moved over now."
        return done(request, _people(found), message)

    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/data_key_rotate.html", form, back=_people(found), application=found
    )


@require_http_methods(["GET", "POST"])
def member_add(request: HttpRequest, slug: str) -> HttpResponse:
    found = permissions.get_application(person(request), slug, Act.MANAGE_MEMBERS)
    if answer := step_up(request):
        return answer
    form = MemberForm(posted(request))

    def act() -> HttpResponse:
        added = lifecycle.add_member(Actor.of(request), found, **form.cleaned_data)
        return welcome(request, added, _people(found))

    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/member_add.html", form, back=_people(found), application=found
    )


@require_http_methods(["GET", "POST"])
def member_role(request: HttpRequest, slug: str, id: int) -> HttpResponse:
    found = permissions.get_application(person(request), slug, Act.MANAGE_MEMBERS)
    membership = _membership(found, id)
    if answer := step_up(request):
        return answer
    form = RoleForm(posted(request), initial={"role": membership.role})

    def act() -> HttpResponse:
        lifecycle.change_role(Actor.of(request), membership, role=form.cleaned_data["role"])
        message = f"{membership.user.email} is {membership.role} now."
        return done(request, _people(found), message)

    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/member_role.html", form, back=_people(found), membership=membership
    )


@require_http_methods(["GET", "POST"])
def member_remove(request: HttpRequest, slug: str, id: int) -> HttpResponse:
    found = permissions.get_application(person(request), slug, Act.MANAGE_MEMBERS)
    membership = _membership(found, id)
    if answer := step_up(request):
        return answer
    form = ConfirmForm(posted(request))

    def act() -> HttpResponse:
        queued = lifecycle.remove_member(Actor.of(request), membership)
        message = f"{membership.user.email} is no longer a member."
        if not queued:
            return done(request, _people(found), message)
        many = f"{len(queued)} keys" if len(queued) > 1 else "key"
        return done(request, _page(found), f"{message} Rotate the {many} they have seen.")

    return carry_out(request, form, act, fresh=True) or ask(
        request,
        "keys/member_remove.html",
        form,
        back=_people(found),
        membership=membership,
        seen=exposure.seen(membership.user, found),
    )


@require_http_methods(["GET", "POST"])
def rotation_dismiss(request: HttpRequest, slug: str, id: int) -> HttpResponse:
    """Leave a key that somebody who left has seen as it is."""
    found = permissions.get_application(person(request), slug)
    left = next((left for left in exposure.to_rotate([found]) if left.row.pk == id), None)
    if left is None:
        raise Http404("Nothing to rotate")
    permissions.require(person(request), found, Act.MANAGE_PROVIDER_KEYS)
    form = ReasonForm(posted(request))

    def act() -> HttpResponse:
        lifecycle.dismiss_rotation(Actor.of(request), left, reason=form.cleaned_data["reason"])
        return done(request, _page(found), f"{left.key.name} stays as it is.")

    return carry_out(request, form, act) or ask(
        request, "keys/rotation_dismiss.html", form, back=_page(found), left=left
    )


def _page(found: Application) -> str:
    return reverse("application", args=[found.slug])


def _people(found: Application) -> str:
    return reverse("application_people", args=[found.slug])


def _membership(found: Application, id: int) -> Membership:
    rows = Membership.objects.select_related("user", "application")
    return get_object_or_404(rows, pk=id, application=found)
