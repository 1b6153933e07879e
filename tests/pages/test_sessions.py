"""Sign-ins in the audit trail, where one is signed in, and who is kept out."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from keys.audit import Action, Actor
from keys.models import ApiToken, AuditEvent, SignedIn, ToRotate, User
from keys.sign_in import invitations, presence
from keys.sign_in.sessions import row_name
from tests.factories import PASSWORD, ApiTokenFactory, ProviderKeyFactory

ClientOf = Callable[..., Client]
LOGIN = "/accounts/login/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def sign_in(user: User, password: str = PASSWORD, **headers: str) -> Client:
    client = Client(headers={"User-Agent": FIREFOX, **headers})
    client.post(LOGIN, {"login": user.email, "password": password})
    return client


def told(*actions: Action) -> list[tuple[str, str, object]]:
    events = AuditEvent.objects.filter(action__in=actions).order_by("id")
    return [(event.action, event.actor_name, event.detail.get("how")) for event in events]


def test_signing_in_and_out_is_audited_with_how_and_from_where(owner: User) -> None:
    client = sign_in(owner)
    client.post("/accounts/logout/")

    assert told(Action.SIGNED_IN, Action.SIGNED_OUT) == [
        ("user.signed_in", owner.email, ["password"]),
        ("user.signed_out", owner.email, None),
    ]
    assert AuditEvent.objects.filter(address="127.0.0.1").count() == 2
    assert not SignedIn.objects.exists()


def test_a_wrong_password_is_audited_and_an_unknown_address_is_not(owner: User) -> None:
    sign_in(owner, "wrong")
    Client().post(LOGIN, {"login": "nobody@example.com", "password": "wrong"})

    assert told(Action.SIGN_IN_FAILED) == [("user.sign_in_failed", owner.email, "password")]


def test_no_password_is_in_the_trail(owner: User) -> None:
    sign_in(owner, "a-wrong-password-of-mine")

    assert "a-wrong-password" not in str(list(AuditEvent.objects.values()))


def test_the_pages_of_ones_sessions_show_browser_address_and_which_is_this(owner: User) -> None:
    sign_in(owner, **{"User-Agent": "curl/8.1"})
    page = sign_in(owner).get(reverse("settings")).content.decode()

    assert "Firefox on Linux" in page
    assert "curl/8.1" in page
    assert page.count("this one") == page.count("in use now") == 1
    assert "Sign out everywhere else" in page


def test_a_session_of_ones_own_is_ended_and_a_strangers_is_not(
    owner: User, developer: User
) -> None:
    first, second, stranger = sign_in(owner), sign_in(owner), sign_in(developer)
    row = SignedIn.objects.get(session=row_name(first.session.session_key))

    assert stranger.post(reverse("session_end", args=[row.pk])).status_code == 404
    second.post(reverse("session_end", args=[row.pk]))
    assert first.get("/").status_code == 302
    assert second.get("/").status_code == 200
    assert stranger.get("/").status_code == 200


def test_signing_out_everywhere_else_leaves_this_one(owner: User) -> None:
    others, here = [sign_in(owner) for _ in range(3)], sign_in(owner)
    page = here.post(reverse("sessions_end"), follow=True).content.decode()

    assert "3 other browsers are signed out" in page
    sign_in(owner)
    again = here.post(reverse("sessions_end"), follow=True).content.decode()
    assert "1 other browser is signed out" in again
    assert [client.get("/").status_code for client in others] == [302] * 3
    events = AuditEvent.objects.filter(action=Action.SESSIONS_ENDED).order_by("pk")
    assert [event.detail["sessions"] for event in events] == [3, 1]


def test_a_changed_password_ends_every_other_session(owner: User) -> None:
    other, here = sign_in(owner), sign_in(owner)
    new = "another correct horse battery"
    here.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )

    assert told(Action.PASSWORD_CHANGED) == [("user.password_changed", owner.email, None)]
    assert other.get("/").status_code == 302
    assert here.get("/").status_code == 200


def test_the_database_has_no_cookie_of_a_session(owner: User) -> None:
    client = sign_in(owner)

    assert SignedIn.objects.get().session == Session.objects.get().session_key
    assert client.session.session_key not in str(list(SignedIn.objects.values()))


def test_a_session_that_ended_by_time_is_forgotten(owner: User) -> None:
    sign_in(owner)
    Session.objects.update(expire_date="2020-01-01T00:00:00Z")

    assert presence.sessions_of(owner) == []


def test_when_a_session_was_seen_is_written_now_and_then(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in(owner)
    client.get("/")
    before = SignedIn.objects.get().seen_at
    client.get("/")
    assert SignedIn.objects.get().seen_at == before
    later = time.time() + presence.SEEN_EVERY + 1
    monkeypatch.setattr("keys.sign_in.presence.time.time", lambda: later)
    client.get("/")
    assert SignedIn.objects.get().seen_at.timestamp() == pytest.approx(later, abs=0.01)


def test_a_second_factor_that_comes_and_goes_is_audited(
    owner: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    client = sign_in(owner)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    client.get(reverse("mfa_activate_totp"))
    secret = client.session["mfa.totp.secret"]
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    with django_capture_on_commit_callbacks(execute=True):  # allauth tells then
        client.post(reverse("mfa_activate_totp"), {"code": code})
    assert Authenticator.objects.filter(user=owner, type="totp").exists()
    client.post(reverse("mfa_deactivate_totp"))

    kinds = AuditEvent.objects.filter(
        action__in=(Action.FACTOR_ADDED, Action.FACTOR_REMOVED), actor=owner
    )
    assert {(event.action, event.detail["kind"]) for event in kinds} >= {
        ("user.second_factor_added", "totp"),
        ("user.second_factor_removed", "totp"),
    }


def test_a_wrong_code_is_audited(owner: User) -> None:
    TOTP.activate(owner, generate_totp_secret())
    client = sign_in(owner)
    client.post(reverse("mfa_authenticate"), {"code": "000000"})

    failed = told(Action.SIGN_IN_FAILED)
    assert failed
    assert not told(Action.SIGNED_IN)


def test_who_is_deactivated_is_out_at_once(
    owner: User, admin: User, client_of: ClientOf, rest_token: str
) -> None:
    signed_in = sign_in(owner)
    admins = client_of(admin)
    address = reverse("user_deactivate", args=[owner.pk])
    assert admins.post(address, {"typed": "wrong"}).status_code == 422
    admins.post(address, {"typed": owner.email})

    assert signed_in.get("/").status_code == 302
    assert sign_in(owner).get("/").status_code == 302
    headers = {"Authorization": f"Bearer {rest_token}"}
    assert Client().get("/api/v1/applications", headers=headers).status_code == 401
    assert AuditEvent.objects.filter(action=Action.DEACTIVATED, actor=admin).count() == 1


@pytest.fixture
def rest_token(owner: User) -> str:
    token: ApiToken = ApiTokenFactory(user=owner)
    return token.plaintext  # type: ignore[attr-defined, no-any-return]


def test_nobody_deactivates_themselves_or_the_last_site_admin(
    admin: User, client_of: ClientOf
) -> None:
    client = client_of(admin)
    answer = client.post(reverse("user_deactivate", args=[admin.pk]), {"typed": admin.email})
    assert answer.status_code == 422
    admin.refresh_from_db()
    assert admin.is_active


def test_what_a_leaver_has_seen_is_listed_before_and_queued(
    owner: User, admin: User, application: object, client_of: ClientOf
) -> None:
    key = ProviderKeyFactory(application=application, name="Main account")
    client_of(owner).post(
        reverse("provider_key_reveal", args=["shop", key.pk]), {"reason": "moving house"}
    )
    admins, address = client_of(admin), reverse("user_deactivate", args=[owner.pk])
    page = admins.get(address).content.decode()
    assert "They have seen 1 secret that works still" in page
    assert reverse("provider_key", args=["shop", key.pk]) in page

    admins.post(address, {"typed": owner.email})
    assert ToRotate.objects.get().target == f"provider_key:{key.pk}"


def test_who_is_let_in_again_has_their_memberships_and_none_of_their_old_credentials(
    owner: User, admin: User, client_of: ClientOf, rest_token: str
) -> None:
    """The address may be somebody else's by then."""
    TOTP.activate(owner, generate_totp_secret())
    admins = client_of(admin)
    admins.post(reverse("user_deactivate", args=[owner.pk]), {"typed": owner.email})
    admins.post(reverse("user_reactivate", args=[owner.pk]))

    assert sign_in(owner).get("/").status_code == 302
    headers = {"Authorization": f"Bearer {rest_token}"}
    assert Client().get("/api/v1/applications", headers=headers).status_code == 401
    assert AuditEvent.objects.filter(action=Action.TOKEN_REVOKED, actor=admin).count() == 1
    owner.refresh_from_db()
    assert not Authenticator.objects.filter(user=owner).exists()
    assert owner.memberships.count() == 1
    link = invitations.link(Actor.person(admin), owner)
    assert Client().get(urlsplit(link).path, follow=True).status_code == 200
