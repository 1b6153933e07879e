"""Who may sign up: nobody. People are invited by an admin or an owner.

And how often somebody may try a password: an account's own browsers are counted apart from
strangers, so that nobody is locked out by another's guesses.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from smtplib import SMTPException
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.crypto import get_random_string

from keys.addresses import request_address
from keys.models import User
from keys.sign_in import presence, single_sign_on

logger = logging.getLogger(__name__)
KNOWN_BROWSER = "keydeck_browser"  # what its cookie is signed for
_YEAR = 365 * 24 * 3600  # seconds

_post = ThreadPoolExecutor(1, thread_name_prefix="mail")


def _send(message: EmailMessage) -> None:
    try:
        message.send()
    except (SMTPException, OSError) as error:
        logger.error("a mail was not sent: %s", type(error).__name__)


class InvitedOnlyAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "too_many_login_attempts": (
            "Too many attempts: nothing is tried now, not even the right one. "
            "Wait five minutes, or choose a new password by a link."
        ),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return request_address(request.META)

    def get_reset_password_from_key_url(self, key: str) -> str:
        # allauth's names the host that was asked, which is the asker's word.
        asked: str = super().get_reset_password_from_key_url(key)
        return settings.PUBLIC_URL + urlsplit(asked).path

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Sent beside the request: neither its failure nor its time tells who has an account.

        The page says what to do when none comes.
        """
        site = SimpleNamespace(name="Keydeck", domain=urlsplit(settings.PUBLIC_URL).netloc)
        message = self.render_mail(template_prefix, email, {"current_site": site, **context})
        _post.submit(_send, message)

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, **options: Any
    ) -> HttpResponse:
        """Marks the browser as one where this account signed in."""
        answer: HttpResponse = super().post_login(request, user, **options)
        if isinstance(user, User):
            answer.set_signed_cookie(
                settings.BROWSER_COOKIE_NAME,
                f"{get_random_string(16)}:{_password_of(user)}:{user.email}",
                salt=KNOWN_BROWSER,
                max_age=_YEAR,
                secure=settings.HTTPS,
                httponly=True,
                samesite="Lax",
            )
        return answer

    def get_reauthentication_methods(
        self, user: AbstractBaseUser | AnonymousUser
    ) -> list[dict[str, Any]]:
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if isinstance(user, User) and single_sign_on.has_signed_on(user):
            words = f"Sign in again with {settings.OIDC_NAME}"
            methods.append(
                {"id": "single_sign_on", "description": words, "url": reverse("sso_again")}
            )
        return methods

    def is_reauthentication_required(self, *, app: str, **options: Any) -> bool:
        """Before a second factor changes. allauth asks nothing of who has no password: whoever
        found such a session open could add a factor of their own, and prove with it who they are.
        """
        user = self.request.user
        alone = isinstance(user, User) and not super().get_reauthentication_methods(user)
        if alone and not presence.is_fresh(self.request, user):
            raise ReauthenticationRequired
        return bool(super().is_reauthentication_required(app=app, **options))

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        super().set_password(user, password)
        if isinstance(user, User):
            self._delete_login_attempts_cached_email(self.request, email=user.email)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # allauth's counts per Host header too, which callers choose.
        email = str(credentials.get("email", "")).lower()
        known = request.get_signed_cookie(
            settings.BROWSER_COOKIE_NAME, default="", salt=KNOWN_BROWSER, max_age=_YEAR
        )
        browser, password, owner = [*(known or "").split(":", 2), "", ""][:3]
        if owner != email:
            return email
        user = User.objects.filter(email=email).first()
        return f"{email}:{browser}" if user and _password_of(user) == password else email


def _password_of(user: User) -> str:
    """Tells that the password is the same still: with another one, no browser is known."""
    return user.get_session_auth_hash()[:16]
