"""Many guesses at the same moment: no more are looked at than one by one.

The suite sends 30 at once, `make prove` a hundred.
"""

from collections.abc import Callable

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from keys.models import User
from tests.factories import PASSWORD
from tests.keys.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
ClientOf = Callable[..., Client]
AT_ONCE = [30, pytest.param(100, marks=pytest.mark.prove)]
ALLOWED = 5


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were held against a user's."""
    looked_at: list[str] = []
    check = User.check_password

    def counted(user: User, text: str) -> bool:
        looked_at.append(text)
        return check(user, text)

    monkeypatch.setattr(User, "check_password", counted)
    return looked_at


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
    assert len(evaluated) <= ALLOWED


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_of_many_parallel_step_ups_five_are_evaluated(
    viewer: User, client_of: ClientOf, evaluated: list[str], at_once: int
) -> None:
    session = client_of(viewer, fresh=False).cookies

    def guess(number: int) -> Callable[[], int]:
        client = Client(REMOTE_ADDR=f"203.0.113.{number}")
        client.cookies = session
        words = {"password": f"guess number {number}"}
        return lambda: client.post("/accounts/reauthenticate/", words).status_code

    answers = in_threads([guess(number) for number in range(at_once)])
    print(f"{at_once} parallel step-ups, {len(evaluated)} evaluated")
    assert 302 not in answers
    assert len(evaluated) <= ALLOWED


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_of_many_parallel_codes_five_are_evaluated(
    viewer: User, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    TOTP.activate(viewer, generate_totp_secret())
    entering = Client()
    words = {"login": viewer.email, "password": PASSWORD}
    assert entering.post("/accounts/login/", words).status_code == 302
    looked_at: list[str] = []

    def refuse(totp: TOTP, code: str) -> bool:
        looked_at.append(code)
        return False

    monkeypatch.setattr(TOTP, "validate_code", refuse)

    def guess(number: int) -> Callable[[], int]:
        client = Client(REMOTE_ADDR=f"203.0.113.{number}")
        client.cookies = entering.cookies
        code = {"code": f"{number:06}"}
        return lambda: client.post("/accounts/2fa/authenticate/", code).status_code

    answers = in_threads([guess(number) for number in range(at_once)])
    print(f"{at_once} parallel codes, {len(looked_at)} evaluated")
    assert 302 not in answers
    assert 0 < len(looked_at) <= ALLOWED


def test_a_right_one_among_few_still_gets_in(viewer: User, evaluated: list[str]) -> None:
    words = {"login": viewer.email, "password": PASSWORD}
    assert Client().post("/accounts/login/", words).status_code == 302
    assert evaluated == [PASSWORD]
