"""What follows when somebody is added: a mail, or a link to hand over (shown once)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keys import invitations
from keys.audit import Actor
from keys.models import Membership, User
from keys.views.acting import done


def welcome(request: HttpRequest, added: Membership, back: str) -> HttpResponse:
    """Tell the page's user what happens next for a new member."""
    user = added.user
    if user.has_usable_password():
        return done(request, back, f"{user.email} is a member now.")
    if user.memberships.count() > 1:
        # Their link was given out by whoever invited them first; a second one could be used
        # by this application's owner to become them there.
        return done(request, back, f"{user.email} was invited before, and joins on signing in.")
    handed = invitations.invite(Actor.of(request), user)
    if not handed:
        return done(request, back, f"{user.email} gets an invitation by e-mail.")
    return show_link(request, user, handed, back)


def show_link(request: HttpRequest, user: User, link: str, back: str) -> HttpResponse:
    layout = "_dialog.html" if request.htmx else "dialog_page.html"  # type: ignore[attr-defined]
    context = {"invited": user, "link": link, "back": back, "layout": layout}
    answer = render(request, "keys/invited.html", context)
    answer["Cache-Control"] = "no-store"
    return answer
