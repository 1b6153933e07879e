"""Many guesses at the same moment: no more are looked at than one by one.

The suite sends 30 at once, `make prove` a hundred.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from keys.models import CacheEntry, User
from tests.factories import PASSWORD
from tests.keys.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
ClientOf = Callable[..., Client]
AT_ONCE = [30, pytest.param(100, marks=pytest.mark.prove)]
ALLOWED = 5


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords and codes that were held against a user's; codes are all wrong."""
    looked_at: list[str] = []
    check = User.check_password

    def refuse(totp: TOTP, code: str) -> bool:
        looked_at.append(code)
        return False

    def counted(user: User, text: str) -> bool:
        looked_at.append(text)
        return check(user, text)

    monkeypatch.setattr(User, "check_password", counted)
    monkeypatch.setattr(TOTP, "validate_code", refuse)
    return looked_at


def step_ups_at_once(session: Any, guesses: list[tuple[str, dict[str, str]]]) -> list[int]:
    """Each guess (address below accounts/, form) at the same moment, in the session of one."""

    def guess(number: int, path: str, words: dict[str, str]) -> Callable[[], int]:
        client = Client(REMOTE_ADDR=f"203.0.113.{number}")
        client.cookies = deepcopy(session)
        return lambda: client.post(f"/accounts/{path}", words).status_code

    return in_threads([guess(number, *one) for number, one in enumerate(guesses)])


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_of_many_parallel_sign_ins_five_are_evaluated(
    viewer: User, evaluated: list[str], at_once: int
) -> None:
    def guess(number: int) -> Callable[[], int]:
        words = {"login": viewer.email, "password": f"guess number {number}"}
        client = Client(REMOTE_ADDR=f"203.0.113.{number}")
        return lambda: client.post("/accounts/login/", words).status_code

    answers = in_threads([guess(number) for number in range(at_once)])
    print(f"{at_once} parallel sign-ins, {len(evaluated)} evaluated")
    assert 302 not in answers
    assert 0 < len(evaluated) <= ALLOWED


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_of_many_parallel_step_ups_five_are_evaluated(
    viewer: User, client_of: ClientOf, evaluated: list[str], at_once: int
) -> None:
    session = client_of(viewer, fresh=False).cookies
    guesses = [("reauthenticate/", {"password": f"guess {number}"}) for number in range(at_once)]
    answers = step_ups_at_once(session, guesses)
    print(f"{at_once} parallel step-ups by password, {len(evaluated)} evaluated")
    assert 302 not in answers
    assert 0 < len(evaluated) <= ALLOWED


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_of_many_parallel_step_ups_by_code_five_are_evaluated(
    viewer: User, client_of: ClientOf, evaluated: list[str], at_once: int
) -> None:
    TOTP.activate(viewer, generate_totp_secret())
    session = client_of(viewer, fresh=False).cookies
    guesses = [("2fa/reauthenticate/", {"code": f"{number:06}"}) for number in range(at_once)]
    answers = step_ups_at_once(session, guesses)
    print(f"{at_once} parallel step-ups by code, {len(evaluated)} evaluated")
    assert 302 not in answers
    assert 0 < len(evaluated) <= ALLOWED


def mixed(number: int) -> tuple[str, dict[str, str]]:
    """One of the three places where a session may prove whose it is."""
    password = f"guess number {number}"
    new = {"password1": "four words apart, all new", "password2": "four words apart, all new"}
    return (
        ("reauthenticate/", {"password": password}),
        ("2fa/reauthenticate/", {"code": f"{number:06}"}),
        ("password/change/", {"oldpassword": password, **new}),
    )[number % 3]


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_ways_to_step_up_are_counted_together(
    viewer: User, client_of: ClientOf, evaluated: list[str], at_once: int
) -> None:
    TOTP.activate(viewer, generate_totp_secret())
    session = client_of(viewer, fresh=False).cookies
    step_ups_at_once(session, [mixed(number) for number in range(at_once)])
    print(f"{at_once} parallel step-ups by password, code and present password, "
          f"{len(evaluated)} evaluated")  # fmt: skip
    assert 0 < len(evaluated) <= ALLOWED


def test_ways_to_step_up_are_counted_together_one_by_one_too(
    viewer: User, client_of: ClientOf, evaluated: list[str]
) -> None:
    TOTP.activate(viewer, generate_totp_secret())
    client = client_of(viewer, fresh=False)
    for number in range(15):
        path, words = mixed(number)
        client.post(f"/accounts/{path}", words, REMOTE_ADDR=f"203.0.113.{number}")
    assert len(evaluated) == ALLOWED


def test_whoever_is_held_up_by_guesses_in_their_session_gets_on(
    viewer: User, client_of: ClientOf, evaluated: list[str]
) -> None:
    """At once by a sign-in in their own browser, and in the same session five minutes later."""
    own, guessed_in = Client(), client_of(viewer, fresh=False)
    words = {"login": viewer.email, "password": PASSWORD}
    assert own.post("/accounts/login/", words).status_code == 302
    own.post("/accounts/logout/")
    for number in range(9):
        guessed_in.post("/accounts/reauthenticate/", {"password": f"guess {number}"})
    right = {"password": PASSWORD}
    held_up = guessed_in.post("/accounts/reauthenticate/", right)
    assert held_up.status_code == 429
    assert "Wait five minutes" in held_up.content.decode()
    assert own.post("/accounts/login/", words).status_code == 302
    assert own.get("/settings/tokens/new/").status_code == 200  # which needs a fresh sign-in
    CacheEntry.objects.update(expires_at=0)  # five minutes later
    assert guessed_in.post("/accounts/reauthenticate/", right).status_code == 302


def test_a_right_present_password_is_no_guess(viewer: User, client_of: ClientOf) -> None:
    client = client_of(viewer, fresh=False)
    weak = {"oldpassword": PASSWORD, "password1": "password1234", "password2": "password1234"}
    for _ in range(4):
        assert client.post("/accounts/password/change/", weak).status_code == 200
    for number in range(4):
        client.post("/accounts/reauthenticate/", {"password": f"guess {number}"})
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_of_many_parallel_codes_five_are_evaluated(
    viewer: User, evaluated: list[str], at_once: int
) -> None:
    TOTP.activate(viewer, generate_totp_secret())
    entering = Client()
    words = {"login": viewer.email, "password": PASSWORD}
    assert entering.post("/accounts/login/", words).status_code == 302
    evaluated.clear()

    def guess(number: int) -> Callable[[], int]:
        client = Client(REMOTE_ADDR=f"203.0.113.{number}")
        client.cookies = entering.cookies
        code = {"code": f"{number:06}"}
        return lambda: client.post("/accounts/2fa/authenticate/", code).status_code

    answers = in_threads([guess(number) for number in range(at_once)])
    print(f"{at_once} parallel codes, {len(evaluated)} evaluated")
    assert 302 not in answers
    assert 0 < len(evaluated) <= ALLOWED


def test_a_right_one_among_few_still_gets_in(viewer: User, evaluated: list[str]) -> None:
    words = {"login": viewer.email, "password": PASSWORD}
    assert Client().post("/accounts/login/", words).status_code == 302
    assert evaluated == [PASSWORD]
