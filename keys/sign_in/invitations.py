"""How somebody new gets a password: by a link, mailed to them or handed over by a site admin.

Whoever has the link is that person, in every application they belong to. So it never goes to
whoever invited them: an owner rules one application only.
"""

from smtplib import SMTPException

from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse

from keys import audit, permissions
from keys.audit import Action, Actor
from keys.models import Membership, User

_TEXT = """You are invited to {site}, as {email}.

Choose a password within three days:
{link}
"""


class LinkTokens(PasswordResetTokenGenerator):
    """A link is void after a sign-in, a new password or a new address.

    Before the first password it is void after a new membership or role too: what somebody is
    given later can't be taken by a link that was made earlier.
    """

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        value = super()._make_hash_value(user, timestamp)
        if user.has_usable_password():
            return value
        places = Membership.objects.filter(user_id=user.pk).order_by("pk")
        return f"{value}{list(places.values_list('pk', 'role'))}{user.is_superuser}"


_tokens = LinkTokens()


def can_mail() -> bool:
    """Whether mail goes out, instead of into the log or nowhere."""
    return not settings.EMAIL_BACKEND.endswith(("console.EmailBackend", "dummy.EmailBackend"))


def link(actor: Actor, user: User) -> str:
    """A link with which the user chooses a password, for a site admin to hand over."""
    permissions.require_site_admin(actor.user or AnonymousUser())
    return _link(actor, user)


def link_by_command(user: User) -> str:
    """The same for whoever runs commands where Keydeck runs."""
    return _link(Actor.system("password_link"), user)


def mail(actor: Actor, user: User) -> bool:
    """Mails the user a link; False where no mail goes out."""
    if not can_mail():
        return False
    made = _link(actor, user)
    text = _TEXT.format(site=settings.PUBLIC_URL, email=user.email, link=made)
    try:
        send_mail("Your invitation to Keydeck", text, None, [user.email])
    except (SMTPException, OSError):
        return False
    return True


def _link(actor: Actor, user: User) -> str:
    with transaction.atomic():
        audit.record(actor, Action.PASSWORD_LINK_MADE, f"user:{user.pk}", email=user.email)
    names = {"uidb36": user_pk_to_url_str(user), "key": _tokens.make_token(user)}
    return settings.PUBLIC_URL + reverse("account_reset_password_from_key", kwargs=names)
