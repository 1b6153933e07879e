"""Single sign-on by OpenID Connect: who comes in when the team's own sign-in server vouches.

The protocol is allauth's. What is decided here: people are invited as ever, a verified e-mail
address finds them once, from then on it is the server's own id of them (`sub`), so that an
address given to somebody else there opens nothing here. A fresh sign-in over there counts as the
step-up, by the time it names.
"""

import hashlib
import time
from functools import partial
from typing import Any

import requests
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError, AuthProcess
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse

from keys.destinations import Blocked
from keys.models import User
from keys.outbound import PinnedAdapter
from keys.sign_in import presence

TIMEOUT = 10  # seconds without a byte of the sign-in server


# What a server that is away, or is none, makes of a sign-in: no answer, an address that may not be
# asked, or a document without what OpenID Connect Discovery 1.0 says is in it.
FAILURES = (requests.RequestException, Blocked, KeyError)


def is_on() -> bool:
    return bool(settings.OIDC_URL)


def provider_id() -> str:
    """One per server: the ids that one server gives say nothing of another's people."""
    return "oidc-" + hashlib.sha256(settings.OIDC_URL.encode()).hexdigest()[:16]


def has_signed_on(user: User) -> bool:
    """Whether this person came by single sign-on before, and can be asked to again."""
    return is_on() and _accounts(user).exists()


def failed(request: HttpRequest, reason: str, status: int) -> HttpResponse:
    words = {"reason": reason, "name": settings.OIDC_NAME}
    return render(request, "account/single_sign_on_failed.html", words, status=status)


_said: dict[str, tuple[dict[str, Any], float]] = {}
KEPT = 300  # seconds


def forget() -> None:
    """Ask the server anew what it is."""
    _said.clear()


class Protocol(OpenIDConnectOAuth2Adapter):
    """The authorization code flow, coming back to the one address that the server knows."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """What the server says of itself, asked once in a while: anybody can begin a sign-in."""
        url, now = settings.OIDC_URL, time.monotonic()
        said, at = _said.get(url, ({}, 0.0))
        if not said or now - at > KEPT:
            said = super().openid_config
            if "token_endpoint" in said:
                _said[url] = said, now
        return said

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return settings.PUBLIC_URL + reverse("sso_callback")


class Server(OpenIDConnectProvider):
    """The server that the settings name. Of a link's query nothing but `next` is believed."""

    oauth2_adapter_class = Protocol

    def sociallogin_from_response(self, request: HttpRequest, response: Any) -> SocialLogin:
        # Read before allauth makes it small: letters outside ASCII may then become those of
        # somebody else's address.
        if not all(isinstance(claims, dict) for claims in response.values()):
            raise KeyError("claims")  # no such server: see FAILURES
        for claims in response.values():
            email = claims.get("email")
            if not isinstance(email, str) or not email.isascii():
                claims.pop("email", None)
        found: SocialLogin = super().sociallogin_from_response(request, response)
        return found

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        # A step-up asks for the password even of who is signed in over there, and max_age makes
        # the server say when it asked.
        is_step_up = request.path == reverse("sso_again")
        again = {"prompt": "login", "max_age": "0"} if is_step_up else {}
        return {
            "process": AuthProcess.LOGIN,
            "next_url": get_next_redirect_url(request),
            "auth_params": again,
        }


class SingleSignOnAdapter(DefaultSocialAccountAdapter):
    def get_app(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> SocialApp:
        if not is_on() or provider != provider_id():
            raise SocialApp.DoesNotExist
        return SocialApp(
            provider="openid_connect",
            provider_id=provider,
            name=settings.OIDC_NAME,
            client_id=settings.OIDC_CLIENT_ID,
            secret=settings.OIDC_CLIENT_SECRET,
            settings={"server_url": settings.OIDC_URL, "oauth_pkce_enabled": True},
        )

    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> Server:
        return Server(request, app=self.get_app(request, provider))

    def get_requests_session(self) -> requests.Session:
        """By the door out: checked addresses, nothing of the environment, no redirects."""
        session = requests.Session()
        session.trust_env = False
        session.max_redirects = 0
        session.mount("https://", PinnedAdapter())
        session.mount("http://", PinnedAdapter())
        session.request = partial(session.request, timeout=TIMEOUT)  # type: ignore[method-assign]
        return session

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Finds the invited person, or refuses; of who is signed in already, a step-up."""
        user = sociallogin.user if sociallogin.is_existing else _find(request, sociallogin)
        if not request.user.is_authenticated:
            return
        if request.user != user:
            raise _signed_in_as_another(request)
        proved = presence.asked_at(sociallogin)
        if time.time() - proved >= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
            raise _refused(
                request,
                user,
                "It doesn’t say that it asked who you are again (auth_time): sign out there "
                "first, or confirm with a passkey or a code.",
            )
        record_authentication(request, user, "socialaccount", at=proved, reauthenticated=True)
        raise ImmediateHttpResponse(redirect(sociallogin.get_redirect_url(request) or "overview"))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Server,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        if error == AuthError.CANCELLED:
            messages.info(request, f"{settings.OIDC_NAME}: you cancelled.")
            raise ImmediateHttpResponse(HttpResponseRedirect(reverse("account_login")))
        if isinstance(exception, requests.RequestException):
            raise ImmediateHttpResponse(
                failed(request, "It doesn’t answer. Try again in a moment.", 502)
            )
        reason = "The sign-in didn’t fit what was begun in this browser. Begin again."
        raise ImmediateHttpResponse(failed(request, reason, 400))


def _find(request: HttpRequest, sociallogin: SocialLogin) -> User:
    """The person with the address that the server vouches for, known by its id from now on."""
    found = {
        address.email.lower()
        for address in sociallogin.email_addresses
        if address.verified is True or settings.OIDC_TRUST_EMAIL
    }
    if not found:
        raise _refused(request, None, "It doesn’t vouch for your e-mail address (email_verified).")
    named = User.objects.filter(email__in=found).first()
    if named is None or not named.is_active:
        raise _refused(
            request,
            named,
            f"Nobody invited {', '.join(sorted(found))}. Ask an owner of your application "
            "or the site admin.",
        )
    if request.user.is_authenticated and request.user != named:
        raise _signed_in_as_another(request)
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=named.pk)
        known = _accounts(user).first()
        if known is None and user.is_active:
            known = sociallogin.account
            known.user = user
            known.save()
            presence.signed_on_first(request, user)
    if known is None or known.uid != sociallogin.account.uid:
        raise _refused(
            request,
            user,
            f"{user.email} belonged to another account there. A site admin can deactivate "
            "and reactivate the user here, which lets the new one in.",
        )
    sociallogin.account, sociallogin.user = known, user
    return user


def _accounts(user: User) -> Any:
    return SocialAccount.objects.filter(user=user, provider=provider_id())


def _signed_in_as_another(request: HttpRequest) -> ImmediateHttpResponse:
    user = request.user if isinstance(request.user, User) else None
    return _refused(
        request,
        user,
        f"You are signed in here as {user}, and there as somebody else. "
        "Sign out of one of them first.",
    )


def _refused(request: HttpRequest, user: User | None, reason: str) -> ImmediateHttpResponse:
    if user is not None:
        presence.sign_on_refused(request, user, reason)
    return ImmediateHttpResponse(failed(request, reason, 403))
