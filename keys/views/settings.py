"""Settings: one's own account and API tokens; for site admins the vault and the users."""

from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings as site
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys import attention, doctor, exposure, lifecycle, permissions
from keys.audit import Actor
from keys.forms.keys import ConfirmForm, TypedForm
from keys.forms.team import InviteForm, TokenForm
from keys.models import KEYS, ApiToken, SignedIn, User
from keys.sign_in import invitations, presence
from keys.views.acting import ask, carry_out, done, person, posted, step_up
from keys.views.invited import show_link, welcome

FINDINGS = 10  # of the vault's doctor that are listed one by one


@require_safe
def settings(request: HttpRequest) -> HttpResponse:
    user = person(request)
    admin = permissions.is_site_admin(user)
    sessions = [(row, presence.is_current(request, row)) for row in presence.sessions_of(user)]
    context = {
        "admin": admin,
        "sessions": sessions,
        "mfa": is_mfa_enabled(user),
        "memberships": user.memberships.select_related("application").order_by("application__name"),
        "tokens": user.api_tokens.filter(revoked_at=None).order_by("-created_at"),
    }
    if admin:
        context |= {
            "users": User.objects.annotate(applications=Count("memberships")).order_by("email"),
            "masters": doctor.master_keys(),
            **_examination(),
            "sealed": attention.sealed(),
            "key_file": "" if site.MASTER_KEYS else site.MASTER_KEY_FILE,
            "can_mail": invitations.can_mail(),
        }
    return render(request, "keys/settings.html", context)


def _examination() -> dict[str, Any]:
    """What the vault's doctor found when it last looked, with the pages of the keys still here."""
    examination = doctor.last_examination()
    findings = examination.findings if examination else []
    shown = findings[:FINDINGS]
    ids = [found["key"].partition(":")[2] for found in shown]
    pages = {}
    for kind, model in KEYS.items() if shown else ():
        for key in model._default_manager.filter(pk__in=ids).select_related("application"):
            pages[key.target] = reverse(kind, args=[key.application.slug, key.pk])
    return {
        "examination": examination,
        "findings": [
            (found, doctor.WORDS[found["code"]], pages.get(found["key"], "")) for found in shown
        ],
        "more_findings": len(findings) - len(shown),
        "remedies": doctor.remedies(found["code"] for found in findings),
    }


@require_http_methods(["GET", "POST"])
def token_create(request: HttpRequest) -> HttpResponse:
    if answer := step_up(request):
        return answer
    form = TokenForm(posted(request))

    def act() -> HttpResponse:
        text = lifecycle.issue_token(
            Actor.of(request),
            person(request),
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            expires_at=form.expires_at(),
        )
        template = "keys/token_once.html"
        return ask(request, template, ConfirmForm(), back=_page(), revealed=text)

    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/token_create.html", form, back=_page()
    )


@require_http_methods(["GET", "POST"])
def token_revoke(request: HttpRequest, id: str) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=id, user=person(request))
    form = ConfirmForm(posted(request))

    def act() -> HttpResponse:
        lifecycle.revoke_token(Actor.of(request), token)
        return done(request, _page(), f"The token {token.name} is revoked.")

    return carry_out(request, form, act) or ask(
        request, "keys/token_revoke.html", form, back=_page(), token=token
    )


@require_http_methods(["GET", "POST"])
def user_invite(request: HttpRequest) -> HttpResponse:
    permissions.require_site_admin(person(request))
    if answer := step_up(request):
        return answer
    form = InviteForm(posted(request))

    def act() -> HttpResponse:
        data = form.cleaned_data
        application = permissions.get_application(person(request), data["application"])
        added = lifecycle.add_member(
            Actor.of(request), application, email=data["email"], role=data["role"]
        )
        return welcome(request, added, _page())

    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/user_invite.html", form, back=_page()
    )


@require_http_methods(["GET", "POST"])
def user_link(request: HttpRequest, id: int) -> HttpResponse:
    """A link with which somebody who can't sign in chooses a new password."""
    permissions.require_site_admin(person(request))
    user = get_object_or_404(User, pk=id, is_active=True)
    if answer := step_up(request):
        return answer
    form = ConfirmForm(posted(request))

    def act() -> HttpResponse:
        return show_link(request, user, invitations.link(Actor.of(request), user), _page())

    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/user_link.html", form, back=_page(), about=user
    )


@require_POST
def session_end(request: HttpRequest, id: int) -> HttpResponse:
    rows = SignedIn.objects.filter(pk=id, user=person(request))
    get_object_or_404(rows)
    presence.end(Actor.of(request), person(request), rows)
    return done(request, _page(), "That browser is signed out.")


@require_POST
def sessions_end(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere but here."""
    count = presence.end_others(request, person(request))
    told = "1 other browser is" if count == 1 else f"{count} other browsers are"
    return done(request, _page(), f"{told} signed out.")


@require_http_methods(["GET", "POST"])
def user_deactivate(request: HttpRequest, id: int) -> HttpResponse:
    permissions.require_site_admin(person(request))
    user = get_object_or_404(User, pk=id, is_active=True)
    if answer := step_up(request):
        return answer
    form = TypedForm(posted(request), name=user.email)

    def act() -> HttpResponse:
        lifecycle.deactivate(Actor.of(request), user)
        return done(request, _page(), f"{user.email} can’t sign in any more.")

    return carry_out(request, form, act, fresh=True) or ask(
        request,
        "keys/user_deactivate.html",
        form,
        back=_page(),
        about=user,
        seen=exposure.everywhere(user),
    )


@require_http_methods(["GET", "POST"])
def user_reactivate(request: HttpRequest, id: int) -> HttpResponse:
    permissions.require_site_admin(person(request))
    user = get_object_or_404(User, pk=id, is_active=False)
    if answer := step_up(request):
        return answer
    form = ConfirmForm(posted(request))

    def act() -> HttpResponse:
        lifecycle.reactivate(Actor.of(request), user)
        return done(
            request,
            _page(),
            f"{user.email} is let in again. Hand over a password link to sign in with.",
        )

    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/user_reactivate.html", form, back=_page(), about=user
    )


def _page() -> str:
    return reverse("settings")
