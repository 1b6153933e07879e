"""Signing in: which pages there are, and how often one may try."""

import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from allauth import urls as allauth_urls
from django.contrib.auth.password_validation import validate_password
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import NoReverseMatch, URLResolver, reverse
from pytest_django import Settings
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from keys import account_urls
from keys.audit import Action
from keys.models import AuditEvent, CacheEntry, User
from keys.sign_in import accounts
from tests.factories import PASSWORD

ClientOf = Callable[..., Client]
LOGIN = "/accounts/login/"
USED = {
    *("account_login", "account_logout", "account_inactive", "account_reauthenticate"),
    *("account_change_password", "account_reset_password", "account_reset_password_done"),
    *("account_reset_password_from_key", "account_reset_password_from_key_done"),
    *("sso_login", "sso_again", "sso_callback"),
    *("mfa_index", "mfa_authenticate", "mfa_reauthenticate"),
    *("mfa_activate_totp", "mfa_deactivate_totp"),
    *("mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_download_recovery_codes"),
    *("mfa_list_webauthn", "mfa_add_webauthn", "mfa_reauthenticate_webauthn"),
    *("mfa_remove_webauthn", "mfa_edit_webauthn"),
}


def finish_mail() -> None:
    """Wait until every mail so far is sent, or failed."""
    accounts._post.submit(int).result()


def _patterns(found: Iterable[Any], start: str = "") -> dict[str, str]:
    """Name and path, with a word for every parameter."""
    named: dict[str, str] = {}
    for one in found:
        path = start + str(one.pattern)
        if isinstance(one, URLResolver):
            named |= _patterns(one.url_patterns, path)
        elif one.name:
            named[one.name] = path
    return named


def test_the_pages_of_sign_in_are_these_and_no_more() -> None:
    assert set(_patterns(account_urls.urlpatterns)) == USED


UNUSED = {
    name: path for name, path in _patterns(allauth_urls.urlpatterns).items() if name not in USED
}


@pytest.mark.parametrize("name", UNUSED)
def test_allauths_other_pages_do_not_exist(
    name: str, client_of: ClientOf, viewer: User, client: Client
) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)
    path = "/accounts/" + UNUSED[name].replace(r"^confirm-email/(?P<key>[-:\w]+)/$", "")
    for browser in (client_of(viewer), client):
        assert browser.get(path).status_code == 404
        assert browser.post(path, {"email": "other@example.com"}).status_code == 404


def test_nobody_changes_their_own_address(client_of: ClientOf, viewer: User) -> None:
    assert "account_email" in UNUSED
    asked = {"action_add": "", "email": "ceo@corp.test"}
    assert client_of(viewer).post("/accounts/email/", asked).status_code == 404
    viewer.refresh_from_db()
    assert viewer.email == "viewer@example.com"


def _try(client: Client, user: User, password: str, **headers: str) -> str:
    words = {"login": user.email, "password": password}
    answer = client.post(LOGIN, words, **headers)  # type: ignore[arg-type]
    return "in" if answer.status_code == 302 else answer.content.decode()


def test_guesses_are_counted_per_account_from_wherever_they_come(viewer: User) -> None:
    answers = [
        _try(Client(), viewer, "wrong", REMOTE_ADDR=f"203.0.113.{n}", HTTP_HOST=f"localhost:{n}")
        for n in range(1, 15)
    ]
    assert ["Too many attempts" in answer for answer in answers] == [False] * 5 + [True] * 9


def test_the_right_password_then_gets_a_clear_answer_and_works_later(viewer: User) -> None:
    for _ in range(5):
        _try(Client(), viewer, "wrong")
    assert "not even the right one" in _try(Client(), viewer, PASSWORD)
    CacheEntry.objects.update(expires_at=0)  # five minutes later
    assert _try(Client(), viewer, PASSWORD) == "in"


def test_guesses_of_others_lock_nobody_out_of_their_own_browser(viewer: User) -> None:
    own = Client()
    assert _try(own, viewer, PASSWORD) == "in"
    own.post("/accounts/logout/")
    for n in range(9):
        _try(Client(), viewer, "wrong", REMOTE_ADDR=f"203.0.113.{n}")
    assert _try(own, viewer, PASSWORD) == "in"


def test_ones_own_browser_counts_guesses_too_and_only_for_its_account(
    viewer: User, owner: User
) -> None:
    own = Client()
    assert _try(own, viewer, PASSWORD) == "in"
    own.post("/accounts/logout/")
    guesses = [_try(own, viewer, "wrong", REMOTE_ADDR=f"203.0.113.{n}") for n in range(6)]
    assert "Too many attempts" in guesses[-1]
    for n in range(5):
        _try(Client(), owner, "wrong", REMOTE_ADDR=f"203.0.113.{n}")
    assert "Too many attempts" in _try(own, owner, PASSWORD, REMOTE_ADDR="203.0.113.99")


def test_a_request_too_many_gets_a_page_that_says_so(client: Client, db: None) -> None:
    for _ in range(6):
        answer = client.post("/accounts/password/reset/", {"email": "nobody@example.com"})
    assert answer.status_code == 429
    page = answer.content.decode()
    assert "Too many attempts" in page
    assert "Wait one minute" in page
    assert 'href="/accounts/password/reset/">Back to the form' in page


def test_a_reset_for_somebody_unknown_answers_like_any_other(client: Client, viewer: User) -> None:
    for email in (viewer.email, "nobody@example.com"):
        answer = client.post("/accounts/password/reset/", {"email": email})
        assert answer["Location"] == "/accounts/password/reset/done/"


RESET = "/accounts/password/reset/"


def test_a_reset_link_leads_to_the_public_address_whatever_host_was_asked(
    client: Client, viewer: User, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://keys.example.com"
    settings.ALLOWED_HOSTS = [".example.com"]
    client.post(RESET, {"email": viewer.email}, HTTP_HOST="other.example.com:4444")
    finish_mail()
    (sent,) = mail.outbox
    assert "https://keys.example.com/accounts/password/reset/key/" in sent.body
    assert "other" not in f"{sent.subject}{sent.body}"


def test_a_mail_server_that_is_away_tells_nobody_who_has_an_account(
    client: Client, viewer: User, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    known, unknown = (
        client.post(RESET, {"email": email}) for email in (viewer.email, "nobody@example.com")
    )
    assert known.status_code == unknown.status_code == 302
    assert known["Location"] == unknown["Location"]
    finish_mail()
    assert "a mail was not sent: ConnectionRefusedError" in caplog.text


def test_a_mail_server_that_is_slow_keeps_nobody_waiting(
    client: Client, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the time of the answer told who has an account."""
    answered = threading.Event()
    sent: list[bool] = []

    def slow(message: EmailMessage) -> int:
        sent.append(answered.wait(20))
        return 1

    monkeypatch.setattr(EmailMessage, "send", slow)
    assert client.post(RESET, {"email": viewer.email}).status_code == 302
    answered.set()
    finish_mail()
    assert sent == [True]


def test_nobody_is_locked_out_for_ever(viewer: User) -> None:
    """While others guess on, a link leads in, and from then on this browser is one's own."""
    own = Client()
    for n in range(9):
        _try(Client(), viewer, "wrong", REMOTE_ADDR=f"203.0.113.{n}")
    assert "Too many attempts" in _try(own, viewer, PASSWORD)
    own.post(RESET, {"email": viewer.email})
    finish_mail()
    (link,) = re.findall(r"/accounts/password/reset/key/\S+", str(mail.outbox[0].body))
    chosen = {"password1": "a new phrase of one's own", "password2": "a new phrase of one's own"}
    form = own.get(link, follow=True)
    assert own.post(form.redirect_chain[-1][0], chosen).status_code == 302
    assert own.get("/settings/").status_code == 200
    own.post("/accounts/logout/")
    for n in range(9):
        _try(Client(), viewer, "wrong", REMOTE_ADDR=f"203.0.113.{n}")
    assert _try(own, viewer, chosen["password1"]) == "in"


@pytest.mark.parametrize("password", ["keydeck-password", "MyK3yd3ck4Ever!", "welcome to acmecorp"])
def test_a_password_does_not_name_what_it_opens(password: str, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://vault.acmecorp.com"
    with pytest.raises(ValidationError, match="a word of this site"):
        validate_password(password)
    validate_password("four words that nobody says")


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("https://keys.acme.local", "seven locals on bicycles"),
        ("https://keys.acme.cloud", "seven clouds over bicycles"),
        ("https://www.acmecorp.com", "awwwful comedy of bicycles"),
        ("https://app.acmecorp.com", "an apple beside bicycles"),
        ("http://localhost:8000", "two localhosts on bicycles"),
    ],
)
def test_the_ending_of_an_address_and_its_short_parts_name_nothing(
    url: str, password: str, settings: Settings
) -> None:
    settings.PUBLIC_URL = url
    validate_password(password)


CHANGE = "/accounts/password/change/"


def test_guesses_of_the_present_password_count_and_are_audited_as_at_a_step_up(
    client_of: ClientOf, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds a session open gets no more tries here than anywhere."""
    looked_at: list[str] = []
    check = User.check_password
    monkeypatch.setattr(
        User, "check_password", lambda user, text: looked_at.append(text) or check(user, text)
    )
    client = client_of(viewer)
    new = {"password1": "four words that nobody says", "password2": "four words that nobody says"}
    for n in range(9):
        place = f"203.0.113.{n}"
        client.post(CHANGE, {"oldpassword": f"guess {n}", **new}, REMOTE_ADDR=place)
    assert len(looked_at) == 5
    refused = AuditEvent.objects.filter(action=Action.SIGN_IN_FAILED, actor=viewer)
    assert refused.count() == 5
    page = client.post(CHANGE, {"oldpassword": PASSWORD, **new}, REMOTE_ADDR="203.0.113.99")
    assert page.status_code in (200, 429)
    viewer.refresh_from_db()
    assert check(viewer, PASSWORD)


def test_the_password_is_changed_by_who_knows_it(client_of: ClientOf, viewer: User) -> None:
    new = {"password1": "four words that nobody says", "password2": "four words that nobody says"}
    client = client_of(viewer)
    page = client.get(CHANGE).content.decode()
    assert "Your present password" in page
    assert "Your other browsers are signed out" in page
    assert "At least 12 characters" in page
    answer = client.post(CHANGE, {"oldpassword": PASSWORD, **new})
    assert answer.status_code == 302
    viewer.refresh_from_db()
    assert viewer.check_password(new["password1"])


def test_who_has_no_password_is_told_how_to_get_one(client_of: ClientOf, viewer: User) -> None:
    viewer.set_unusable_password()
    viewer.save()
    page = client_of(viewer).get(CHANGE, follow=True)
    assert page.redirect_chain == [("/settings/", 302)]
    assert "This account has no password" in page.content.decode()


def test_a_browser_is_known_by_the_password_that_it_signed_in_with(viewer: User) -> None:
    """Who knew an old one is a stranger once it is changed."""
    own = Client()
    assert _try(own, viewer, PASSWORD) == "in"
    viewer.set_password("four words that nobody says")
    viewer.save()
    for n in range(9):
        _try(Client(), viewer, "wrong", REMOTE_ADDR=f"203.0.113.{n}")
    assert "Too many attempts" in _try(own, viewer, PASSWORD)


@pytest.mark.parametrize(
    "password",
    [
        "password123456",
        "Password1234!",
        "qwertyuiop123",
        "aaaaaaaaaaaaaa",
        "abcdefghijklmn",
        "iloveyou20262026",
        "viewer@example.com",
    ],
)
def test_a_password_that_is_guessed_soon_is_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, User(email="viewer@example.com"))


@pytest.mark.parametrize("count", [100, pytest.param(3000, marks=pytest.mark.prove)])
def test_none_of_the_commonest_passwords_is_accepted_made_long_enough(count: int) -> None:
    """ASVS asks for the commonest 3,000 that have the length that is asked for."""
    accepted = []
    for word in FREQUENCY_LISTS["passwords"][:count]:
        long = word * 2 if len(word) >= 6 else word * 3
        try:
            validate_password(long.ljust(12, "1"))
        except ValidationError:
            continue
        accepted.append(long)
    print(f"{count} of the commonest passwords, {len(accepted)} accepted")
    assert accepted == []
