"""Invitations: the link to a password reaches the invited person, never who invited them."""

import re
from collections.abc import Callable
from io import StringIO

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from keys import lifecycle
from keys.audit import Actor
from keys.models import Application, AuditEvent, User
from keys.sign_in import invitations
from tests.factories import MembershipFactory

ClientOf = Callable[..., Client]
ADD = "/applications/shop/people/add/"
LINK = re.compile(r"/accounts/password/reset/key/[\w-]+/")
CEO = "ceo@corp.test"
PASSWORD = "four words are fine here"


@pytest.fixture
def no_mail(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"


def _invite(client: Client, email: str = CEO, where: str = ADD) -> str:
    answer = client.post(where, {"email": email, "role": "owner"}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def _choose(link: str) -> bool:
    """Whether a password could be chosen with this link."""
    client = Client()
    start = client.get(link, follow=True)
    words = {"password1": PASSWORD, "password2": PASSWORD}
    client.post(start.redirect_chain[-1][0] if start.redirect_chain else link, words)
    return client.post("/accounts/login/", {"login": CEO, "password": PASSWORD}).status_code == 302


def _links(text: str) -> list[str]:
    return LINK.findall(text)


def test_an_account_is_not_had_by_inviting_its_address_first(
    client_of: ClientOf, outsider: User, owner: User, no_mail: None
) -> None:
    squatter = client_of(outsider)
    squatter.post("/applications/new/", {"name": "Mine", "slug": "mine"})
    page = _invite(squatter, where="/applications/mine/people/add/")
    assert not _links(page)
    assert "a site admin makes it under Settings" in page
    _invite(client_of(owner))
    assert not User.objects.get(email=CEO).has_usable_password()
    assert not AuditEvent.objects.filter(action="user.password_link_made").exists()


def test_a_site_admin_is_shown_the_link_once_to_hand_over(
    client_of: ClientOf, admin: User, application: Application, no_mail: None
) -> None:
    client = client_of(admin)
    answer = client.post(ADD, {"email": CEO, "role": "viewer"})
    assert answer["Cache-Control"] == "no-store"
    (link,) = _links(answer.content.decode())
    assert _choose(link)
    assert not _choose_again(link)


def _choose_again(link: str) -> bool:
    page = Client().get(link, follow=True).content.decode()
    return "This link no longer works" not in page


def test_where_mail_goes_out_only_the_invited_person_gets_the_link(
    client_of: ClientOf, owner: User
) -> None:
    page = _invite(client_of(owner))
    assert "gets an invitation by e-mail" in page
    assert not _links(page)
    assert mail.outbox[0].to == [CEO]
    assert _choose(_links(str(mail.outbox[0].body))[0])


def test_a_mail_that_fails_shows_the_owner_no_link(
    client_of: ClientOf, owner: User, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    page = _invite(client_of(owner))
    assert not _links(page)
    assert "a site admin makes it under Settings" in page


def test_before_the_first_password_a_new_membership_makes_the_link_void(
    admin: User, owner: User, application: Application
) -> None:
    invited = User.objects.create_user(CEO)
    link = invitations.link(Actor.person(admin), invited).removeprefix("http://localhost:8000")
    lifecycle.add_member(Actor.person(owner), application, email=CEO, role="owner")
    assert not _choose(link)
    assert _choose(LINK.findall(invitations.link(Actor.person(admin), invited))[0])


def test_with_a_password_a_new_membership_leaves_the_link_alone(admin: User, viewer: User) -> None:
    link = LINK.findall(invitations.link(Actor.person(admin), viewer))[0]
    MembershipFactory(user=viewer)
    assert _choose_again(link)


def test_nobody_but_a_site_admin_makes_a_link_to_hand_over(owner: User, viewer: User) -> None:
    for actor in (Actor.person(owner), Actor.system("test")):
        with pytest.raises(PermissionDenied):
            invitations.link(actor, viewer)


def test_an_invited_person_can_turn_on_a_second_factor(client_of: ClientOf, owner: User) -> None:
    _invite(client_of(owner))
    link = _links(str(mail.outbox[0].body))[0]
    assert _choose(link)
    client = client_of(User.objects.get(email=CEO))
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200


def test_whoever_runs_commands_gets_a_link_for_who_can_not_sign_in(viewer: User) -> None:
    out, err = StringIO(), StringIO()
    call_command("password_link", viewer.email.upper(), stdout=out, stderr=err)
    _choose(LINK.findall(out.getvalue())[0])
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)
    assert AuditEvent.objects.filter(action="user.password_link_made").count() == 1
    with pytest.raises(CommandError, match="nobody active"):
        call_command("password_link", "nobody@example.com", stdout=out, stderr=err)
