"""Who signs in, from where, and in which browsers: written to the audit trail as it happens.

allauth and Django say what happens by signals; their receivers are here and nowhere else. A
failed attempt for an address that nobody has is no event: strangers could write as many as they
like.
"""

import time
from datetime import UTC, datetime
from typing import Any

from allauth.account import signals as account
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth import signals as auth
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

from keys import audit
from keys.addresses import request_address
from keys.audit import Action, Actor
from keys.models import SignedIn, User
from keys.sign_in.sessions import row_name

SEEN = "keydeck_seen"  # in the session: when its row was last written
SEEN_EVERY = 300  # seconds


def connect() -> None:
    """Begin to listen; once a process."""
    for signal, receiver in (
        (account.user_logged_in, _signed_in),
        (auth.user_login_failed, _failed),
        (auth.user_logged_out, _signed_out),
        (account.password_changed, _password_changed),
        (account.password_set, _password_changed),
        (account.password_reset, _password_changed),
        (mfa.authenticator_added, _factor_added),
        (mfa.authenticator_reset, _factor_added),
        (mfa.authenticator_removed, _factor_removed),
        (mfa.authentication_failed, _factor_failed),
    ):
        signal.connect(receiver, dispatch_uid=f"keys.sign_in.presence.{receiver.__name__}")


def sessions_of(user: User) -> list[SignedIn]:
    """The sessions that are still open, the latest first; forgets those that ended by time."""
    open_rows = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    SignedIn.objects.filter(user=user).exclude(session__in=open_rows).delete()
    return list(SignedIn.objects.filter(user=user).order_by("-seen_at"))


def is_fresh(request: HttpRequest, user: User) -> bool:
    """Whether this session proved who it is within the step-up's five minutes.

    A sign-in counts as well as a repeated one; allauth's own check wants the repeated one.
    """
    records = get_authentication_records(request, user)
    last = max((float(record["at"]) for record in records), default=0.0)
    return time.time() - last < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def asked_at(sociallogin: SocialLogin) -> float:
    """When a sign-in server last asked who this is (`auth_time`; seconds of the epoch).

    Never, where it doesn't say: what makes it say travels through a browser that could leave it
    out, and an old session over there would count as somebody who was asked just now.
    """
    told = (sociallogin.account.extra_data.get("id_token") or {}).get("auth_time")
    return min(time.time(), float(told)) if isinstance(told, int | float) else 0.0


def forget_credentials(user: User) -> None:
    """The next who comes with this person's address is looked at afresh: no second factor and
    no account of single sign-on is known any more."""
    Authenticator.objects.filter(user=user).delete()
    SocialAccount.objects.filter(user=user).delete()


def sign_on_refused(request: HttpRequest, user: User, why: str) -> None:
    """Somebody came by single sign-on as this person and wasn't let in."""
    with transaction.atomic():
        told = {"how": "single sign-on", "why": why}
        _note(_actor(request, user), Action.SIGN_IN_FAILED, user, **told)


def signed_on_first(request: HttpRequest, user: User) -> None:
    """Single sign-on opens this account from now on."""
    _note(_actor(request, user), Action.FACTOR_ADDED, user, kind="single sign-on")


def is_current(request: HttpRequest, row: SignedIn) -> bool:
    return row.session == row_name(request.session.session_key or "")


def end(actor: Actor, user: User, rows: QuerySet[SignedIn]) -> int:
    """End these sessions of a user; returns how many there were."""
    with transaction.atomic():
        names = list(rows.filter(user=user).values_list("session", flat=True))
        Session.objects.filter(session_key__in=names).delete()
        SignedIn.objects.filter(session__in=names).delete()
        if names:
            _note(actor, Action.SESSIONS_ENDED, user, sessions=len(names))
    return len(names)


def end_others(request: HttpRequest, user: User) -> int:
    """Sign a person out of every browser but this one."""
    here = row_name(request.session.session_key or "")
    return end(Actor.of(request), user, SignedIn.objects.filter(user=user).exclude(session=here))


def is_still_signed_in(request: HttpRequest) -> bool:
    """Whether the session of a request that was let in would be now; its user becomes who that is.

    For an answer that goes on: the session may have ended meanwhile, or the person's account.
    """
    again = HttpRequest()
    again.session = type(request.session)(request.session.session_key)
    request.user = get_user(again)
    return request.user.is_authenticated


class SeenMiddleware(MiddlewareMixin):
    """Notes that a session is in use."""

    def process_request(self, request: HttpRequest) -> None:
        if request.user.is_authenticated:
            see(request)


def see(request: HttpRequest) -> None:
    """Note now and then that a session is in use."""
    now = time.time()
    if not request.session.session_key or now - request.session.get(SEEN, now) < SEEN_EVERY:
        request.session.setdefault(SEEN, now)
        return
    request.session[SEEN] = now
    here = SignedIn.objects.filter(session=row_name(request.session.session_key))
    here.update(seen_at=datetime.fromtimestamp(now, UTC), address=request_address(request.META))


def _signed_in(
    request: HttpRequest, user: User, sociallogin: SocialLogin | None = None, **_: Any
) -> None:
    records = get_authentication_records(request, user)
    if sociallogin is not None:
        for record in records:
            if record["method"] == "socialaccount":
                record["at"] = asked_at(sociallogin)
        request.session.modified = True
    methods = [str(record.get("method")) for record in records]
    request.session[SEEN] = time.time()
    if not request.session.session_key:
        request.session.save()
    with transaction.atomic():
        SignedIn.objects.update_or_create(
            session=row_name(request.session.session_key or ""),
            defaults={
                "user": user,
                "address": request_address(request.META),
                "browser": request.headers.get("User-Agent", "").replace("\0", "")[:200],
                "seen_at": timezone.now(),
            },
        )
        _note(_actor(request, user), Action.SIGNED_IN, user, how=methods)


def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """A wrong password. For an address that nobody has the same is done, and taken back: the time
    that an answer takes must not tell who has an account."""
    if request is None:
        return
    email = str(credentials.get("email") or credentials.get("username") or "").lower()
    user = User.objects.filter(email=email).first()
    with transaction.atomic():
        _note(
            _actor(request, user or User()), Action.SIGN_IN_FAILED, user or User(), how="password"
        )
        if user is None:
            transaction.set_rollback(True)


def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is None:
        return
    with transaction.atomic():
        name = row_name(request.session.session_key or "")
        SignedIn.objects.filter(session=name).delete()
        _note(_actor(request, user), Action.SIGNED_OUT, user)


def _password_changed(request: HttpRequest, user: User, **_: Any) -> None:
    with transaction.atomic():
        _note(_actor(request, user), Action.PASSWORD_CHANGED, user)
        here = row_name(request.session.session_key or "")
        others = SignedIn.objects.filter(user=user).exclude(session=here)
        end(_actor(request, user), user, others)


def _factor_added(request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    with transaction.atomic():
        _note(_actor(request, user), Action.FACTOR_ADDED, user, kind=str(authenticator.type))


def _factor_removed(request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    with transaction.atomic():
        _note(_actor(request, user), Action.FACTOR_REMOVED, user, kind=str(authenticator.type))


def _factor_failed(request: HttpRequest, user: User, authenticator: Any = None, **_: Any) -> None:
    kind = str(authenticator.type) if authenticator else "code"
    with transaction.atomic():
        _note(_actor(request, user), Action.SIGN_IN_FAILED, user, how=kind)


def _actor(request: HttpRequest, user: User) -> Actor:
    known = user if user.pk else None
    return Actor(known, user.email, request_address(request.META))


def _note(actor: Actor, action: Action, user: User, **detail: object) -> None:
    audit.record(actor, action, f"user:{user.pk}", None, email=user.email, **detail)
