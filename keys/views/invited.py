"""What follows when somebody is added: a mail, or a link that a site admin hands over."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keys import permissions
from keys.audit import Actor
from keys.models import Membership, User
from keys.sign_in import invitations
from keys.views.acting import done, person


def welcome(request: HttpRequest, added: Membership, back: str) -> HttpResponse:
    """Tell the page's user what happens next for a new member."""
    user, actor = added.user, Actor.of(request)
    if user.has_usable_password():
        return done(request, back, f"{user.email} is a member now.")
    if invitations.mail(actor, user):
        return done(request, back, f"{user.email} gets an invitation by e-mail.")
    if permissions.is_site_admin(person(request)):
        return show_link(request, user, invitations.link(actor, user), back)
    message = (
        f"{user.email} is a member now, and needs a link to choose a password: "
        "a site admin makes it under Settings → Users."
    )
    return done(request, back, message)


def show_link(request: HttpRequest, user: User, link: str, back: str) -> HttpResponse:
    layout = "_dialog.html" if request.htmx else "dialog_page.html"  # type: ignore[attr-defined]
    context = {"invited": user, "link": link, "back": back, "layout": layout}
    answer = render(request, "keys/invited.html", context)
    answer["Cache-Control"] = "no-store"
    return answer
