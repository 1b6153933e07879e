"""Single sign-on with a real OpenID Connect server on loopback: who comes in, and who doesn't."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from keys.audit import Action, Actor
from keys.lifecycle import people
from keys.models import AuditEvent, User
from keys.sign_in import presence, single_sign_on
from tests.factories import PASSWORD, UserFactory
from tests.live import PATIENCE, free_port, wait_for

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]
PEOPLE = "viewer owner stranger unverified moved long-ago"


class SignInServer:
    """The team's server: each person is named by `sub`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://localhost:{port}"
        for sub in PEOPLE.split():
            self.knows(sub, email=f"{sub}@example.com", email_verified=True)
        self.knows("unverified", email="viewer@example.com", email_verified=False)
        self.knows("moved", email="Viewer@Example.com", email_verified=True)

    def knows(self, sub: str, **claims: object) -> None:
        requests.put(f"{self.url}/users/{sub}", json=claims, timeout=60).raise_for_status()

    def asks(self, location: str, sub: str) -> str:
        """Somebody signs in over there; the address that the browser is sent back to."""
        answer = requests.post(location, data={"sub": sub}, allow_redirects=False, timeout=60)
        return answer.headers["Location"]


@pytest.fixture(scope="module")
def running() -> Iterator[SignInServer]:
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=silent, stderr=silent) as process:
        try:
            wait_for(lambda: _answers(port), PATIENCE, "no sign-in server")
            yield SignInServer(port)
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://localhost:{port}/", timeout=60).ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def server(running: SignInServer, settings: Settings) -> SignInServer:
    settings.OIDC_URL, settings.OIDC_NAME = running.url, "Team sign-in"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = "keydeck", "client-secret"
    settings.OUTBOUND_ALLOW = [urlsplit(running.url).netloc]
    single_sign_on.forget()
    return running


def _sign_on(client: Client, server: SignInServer, sub: str, way: str = "") -> HttpResponse:
    off = client.get(f"/accounts/sso/{way}")
    assert off.status_code == 302, off.content.decode()
    back = urlsplit(server.asks(off["Location"], sub))
    return client.get(f"{back.path}?{back.query}")  # type: ignore[return-value]


def _is_in(client: Client) -> bool:
    return client.get("/settings/").status_code == 200


def test_it_is_off_unless_it_is_configured(client: Client) -> None:
    assert client.get("/accounts/sso/").status_code == 404
    assert client.get("/accounts/sso/callback/?code=1&state=2").status_code == 404
    assert "/accounts/sso/" not in client.get("/accounts/login/").content.decode()


def test_an_invited_person_comes_in_and_lands_where_they_wanted_to(
    client: Client, server: SignInServer, viewer: User
) -> None:
    page = client.get("/accounts/login/?next=/calls/").content.decode()
    assert "Sign in with Team sign-in" in page
    assert "/accounts/sso/?next=%2Fcalls%2F" in page
    answer = _sign_on(client, server, "viewer", "?next=/calls/")
    assert (answer.status_code, answer["Location"]) == (302, "/calls/")
    assert _is_in(client)
    seen = AuditEvent.objects.filter(actor=viewer).order_by("pk")
    actions = [(event.action, event.detail.get("kind", event.detail.get("how"))) for event in seen]
    assert actions == [
        (Action.FACTOR_ADDED, "single sign-on"),
        (Action.SIGNED_IN, ["socialaccount"]),
    ]


def test_the_password_goes_on_working_beside_it(
    client: Client, server: SignInServer, viewer: User
) -> None:
    _sign_on(Client(), server, "viewer")
    words = {"login": viewer.email, "password": PASSWORD}
    assert client.post("/accounts/login/", words).status_code == 302


@pytest.mark.parametrize(
    ("sub", "why"), [("stranger", "Nobody invited stranger@"), ("unverified", "vouch for your")]
)
def test_others_are_told_why_not(
    client: Client, server: SignInServer, viewer: User, sub: str, why: str
) -> None:
    answer = _sign_on(client, server, sub)
    assert answer.status_code == 403
    assert why in answer.content.decode()
    assert not _is_in(client)
    assert not SocialAccount.objects.exists()
    assert User.objects.count() == 1


@pytest.mark.parametrize("email", ["\N{KELVIN SIGN}eeper@example.com", 12, None])
def test_an_address_that_only_reads_like_one_finds_nobody(
    client: Client, server: SignInServer, email: object
) -> None:
    UserFactory(email="keeper@example.com")
    server.knows("odd", email=email, email_verified=True)
    answer = _sign_on(client, server, "odd")
    assert answer.status_code == 403
    assert not _is_in(client)


def test_what_is_refused_to_somebody_known_is_audited(
    client: Client, server: SignInServer, viewer: User, admin: User
) -> None:
    _sign_on(Client(), server, "viewer")
    _sign_on(client, server, "moved")
    _sign_on(client, server, "stranger")  # nobody's event: anybody could write as many
    people.deactivate(Actor.person(admin), viewer)
    _sign_on(client, server, "viewer")
    failed = AuditEvent.objects.filter(action=Action.SIGN_IN_FAILED).order_by("pk")
    assert [(one.actor, one.detail["how"]) for one in failed] == [(viewer, "single sign-on")] * 2
    assert "another account" in failed[0].detail["why"]
    assert "Nobody invited" in failed[1].detail["why"]


def test_who_comes_back_as_somebody_else_binds_nothing(
    client_of: ClientOf, server: SignInServer, owner: User, viewer: User
) -> None:
    assert _sign_on(client_of(owner), server, "viewer").status_code == 403
    assert not SocialAccount.objects.exists()


def test_beginning_over_and_over_asks_the_server_once_and_is_stopped(
    client: Client, server: SignInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    single_sign_on.forget()
    asked: list[str] = []
    get = requests.Session.get
    monkeypatch.setattr(
        requests.Session,
        "get",
        lambda session, url, **more: asked.append(url) or get(session, url, **more),
    )
    answers = [client.get("/accounts/sso/").status_code for _ in range(32)]
    assert (len(asked), answers.count(302), answers[-1]) == (1, 30, 429)


def test_an_address_given_to_somebody_else_there_opens_nothing_here(
    client: Client, server: SignInServer, viewer: User, admin: User
) -> None:
    _sign_on(Client(), server, "viewer")
    answer = _sign_on(client, server, "moved")
    assert answer.status_code == 403
    assert "belonged to another account" in answer.content.decode()
    assert not _is_in(client)
    people.deactivate(Actor.person(admin), viewer)
    people.reactivate(Actor.person(admin), viewer)
    assert _sign_on(client, server, "moved").status_code == 302
    assert _is_in(client)


def test_an_address_is_the_persons_name_whatever_their_server_calls_them_later(
    client: Client, server: SignInServer, viewer: User
) -> None:
    _sign_on(Client(), server, "viewer")
    server.knows("viewer", email="married@example.com", email_verified=True)
    _sign_on(client, server, "viewer")
    assert viewer.email in client.get("/settings/").content.decode()
    server.knows("viewer", email="viewer@example.com", email_verified=True)


def test_another_server_knows_nobody_by_its_ids(
    client: Client, server: SignInServer, viewer: User, settings: Settings
) -> None:
    _sign_on(Client(), server, "viewer")
    settings.OIDC_URL = server.url.replace("localhost", "127.0.0.1")
    settings.OUTBOUND_ALLOW += [urlsplit(settings.OIDC_URL).netloc]
    server.knows("viewer", email="stranger@example.com", email_verified=True)
    assert _sign_on(client, server, "viewer").status_code == 403
    server.knows("viewer", email="viewer@example.com", email_verified=True)


def test_who_is_deactivated_stays_out(
    client: Client, server: SignInServer, viewer: User, admin: User
) -> None:
    people.deactivate(Actor.person(admin), viewer)
    _sign_on(client, server, "viewer")
    assert not _is_in(client)
    assert not SocialAccount.objects.exists()


def test_a_second_factor_is_asked_for_as_after_a_password(
    client: Client, server: SignInServer, viewer: User
) -> None:
    TOTP.activate(viewer, generate_totp_secret())
    answer = _sign_on(client, server, "viewer")
    assert answer["Location"].startswith("/accounts/2fa/authenticate/")
    assert not _is_in(client)


def test_the_step_up_asks_over_there_and_keeps_the_session(
    client_of: ClientOf, server: SignInServer, owner: User
) -> None:
    owner.set_unusable_password()
    owner.save()
    _sign_on(Client(), server, "owner")
    client = client_of(owner, fresh=False)
    key = client.session.session_key
    act = "/applications/shop/people/add/"
    asked = client.get(act)
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    off = client.get(asked["Location"])
    assert off["Location"].startswith("/accounts/sso/again/?next=")
    there = parse_qs(urlsplit(client.get(off["Location"])["Location"]).query)
    assert (there["prompt"], there["max_age"]) == (["login"], ["0"])
    back = _sign_on(client, server, "owner", f"again/?next={act}")
    assert back["Location"] == act
    assert client.get(act).status_code == 200
    assert client.session.session_key == key


def test_a_sign_in_that_is_long_ago_over_there_is_no_step_up(
    client: Client, server: SignInServer, owner: User
) -> None:
    long_ago = int(time.time()) - 3600
    server.knows("owner", email=owner.email, email_verified=True, auth_time=long_ago)
    assert _sign_on(client, server, "owner").status_code == 302
    assert _is_in(client)
    act = "/applications/shop/people/add/"
    assert client.get(act)["Location"].startswith("/accounts/reauthenticate/")
    again = _sign_on(client, server, "owner", f"again/?next={act}")
    assert again.status_code == 403
    server.knows("owner", email=owner.email, email_verified=True)


def test_a_server_that_does_not_say_when_it_asked_confirms_nothing() -> None:
    claims = {"id_token": {"sub": "owner"}}
    told = SocialLogin(account=SocialAccount(extra_data=claims))
    assert presence.asked_at(told) == 0.0
    claims["id_token"]["auth_time"] = 12  # type: ignore[assignment]
    assert presence.asked_at(told) == 12.0


def test_a_step_up_as_somebody_else_is_refused(
    client_of: ClientOf, server: SignInServer, owner: User, viewer: User
) -> None:
    client = client_of(owner, fresh=False)
    answer = _sign_on(client, server, "viewer", "again/")
    assert answer.status_code == 403
    act = "/applications/shop/people/add/"
    assert client.get(act)["Location"].startswith("/accounts/reauthenticate/")


@pytest.mark.parametrize("path", ["webauthn/add/", "totp/activate/"])
def test_a_session_found_open_adds_no_second_factor(
    client_of: ClientOf, server: SignInServer, path: str
) -> None:
    person = UserFactory(email="stranger@example.com")
    person.set_unusable_password()
    person.save()
    _sign_on(Client(), server, "stranger")
    client = client_of(person, fresh=False)
    answer = client.get(f"/accounts/2fa/{path}")
    assert answer["Location"].startswith("/accounts/sso/again/?next=")
    assert client_of(person).get(f"/accounts/2fa/{path}").status_code == 200


def test_a_links_query_changes_nothing_but_where_one_lands(
    client: Client, server: SignInServer
) -> None:
    query = "?process=connect&scope=all&next=//evil.test&auth_params=redirect_uri%3D//evil.test"
    there = parse_qs(urlsplit(client.get(f"/accounts/sso/{query}")["Location"]).query)
    assert there["redirect_uri"] == ["http://localhost:8000/accounts/sso/callback/"]
    assert set(there["scope"][0].split()) == {"openid", "profile", "email"}
    assert there["code_challenge_method"] == ["S256"]


@pytest.mark.parametrize("query", ["?code=1&state=forged", "?error=server_error", ""])
def test_an_answer_that_fits_nothing_begun_here_is_refused(
    client: Client, server: SignInServer, query: str
) -> None:
    answer = client.get(f"/accounts/sso/callback/{query}")
    assert answer.status_code == 400
    assert "Begin again" in answer.content.decode()


def test_who_cancels_over_there_is_back_at_the_sign_in(
    client: Client, server: SignInServer
) -> None:
    off = client.get("/accounts/sso/")
    there = requests.post(
        off["Location"], data={"action": "deny"}, allow_redirects=False, timeout=60
    )
    back = urlsplit(there.headers["Location"])
    state = parse_qs(urlsplit(off["Location"]).query)["state"][0]  # which this server leaves out
    answer = client.get(f"{back.path}?{back.query}&state={state}", follow=True)
    assert "you cancelled" in answer.content.decode()


def test_a_server_that_is_away_or_is_none_is_said(
    client: Client, server: SignInServer, settings: Settings
) -> None:
    settings.OIDC_URL = "http://localhost:1"
    for allowed in ([], ["localhost:1"]):
        settings.OUTBOUND_ALLOW = allowed
        answer = client.get("/accounts/sso/")
        assert answer.status_code == 502
        assert "KEYDECK_OIDC_URL" in answer.content.decode()
    settings.OIDC_URL = f"{server.url}/users"  # no such document
    settings.OUTBOUND_ALLOW = [urlsplit(server.url).netloc]
    assert client.get("/accounts/sso/").status_code == 502


def test_the_client_secret_is_on_no_page(client: Client, server: SignInServer) -> None:
    pages = [client.get("/accounts/login/"), client.get("/accounts/sso/")]
    pages.append(_sign_on(client, server, "stranger"))
    assert not [page for page in pages if b"client-secret" in page.content]
    assert "client-secret" not in pages[1]["Location"]
