"""How somebody new gets a password: a link, mailed where Keydeck can mail, else handed over."""

from smtplib import SMTPException

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse

from keys import audit
from keys.audit import Action, Actor
from keys.models import User

_TEXT = """You are invited to {site}, as {email}.

Choose a password within three days:
{link}
"""


def can_mail() -> bool:
    """Whether mail goes out, instead of into the log or nowhere."""
    return not settings.EMAIL_BACKEND.endswith(("console.EmailBackend", "dummy.EmailBackend"))


def link(actor: Actor, user: User) -> str:
    """A link with which the user chooses a password. Whoever has it is that user: audited."""
    with transaction.atomic():
        audit.record(actor, Action.PASSWORD_LINK_MADE, f"user:{user.pk}", email=user.email)
    token = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
    uid, _, key = token.partition("-")
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": key})
    return settings.PUBLIC_URL + path


def invite(actor: Actor, user: User) -> str:
    """Mail the link; returns it when it has to be handed over instead ("" when mailed)."""
    made = link(actor, user)
    if not can_mail():
        return made
    text = _TEXT.format(site=settings.PUBLIC_URL, email=user.email, link=made)
    try:
        send_mail("Your invitation to Keydeck", text, None, [user.email])
    except (SMTPException, OSError):
        return made
    return ""
