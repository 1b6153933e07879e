"""Who may sign up: nobody. People are invited by an admin or an owner.

And how often somebody may try a password: an account's own browsers are counted apart from
strangers, so that nobody is locked out by another's guesses.
"""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string

from keys.addresses import request_address
from keys.models import User

KNOWN_BROWSER = "keydeck_browser"
_YEAR = 365 * 24 * 3600  # seconds


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

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, **options: Any
    ) -> HttpResponse:
        """Marks the browser as one where this account signed in."""
        answer: HttpResponse = super().post_login(request, user, **options)
        if isinstance(user, User):
            answer.set_signed_cookie(
                KNOWN_BROWSER,
                f"{get_random_string(16)}:{user.email}",
                salt=KNOWN_BROWSER,
                max_age=_YEAR,
                secure=settings.HTTPS,
                httponly=True,
                samesite="Lax",
            )
        return answer

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        super().set_password(user, password)
        if isinstance(user, User):
            self._delete_login_attempts_cached_email(self.request, email=user.email)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # allauth's counts per Host header too, which callers choose.
        email = str(credentials.get("email", "")).lower()
        known = request.get_signed_cookie(
            KNOWN_BROWSER, default="", salt=KNOWN_BROWSER, max_age=_YEAR
        )
        browser, _, owner = (known or "").partition(":")
        return f"{email}:{browser}" if owner == email else email
