"""Sessions: the rows sign nobody in without the cookie, and end when they should."""

import re
from pathlib import Path

import pytest
from django.conf import settings as product
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from config.celery import BEAT
from keys import tasks
from keys.models import User
from keys.sign_in.sessions import row_name
from tests.factories import PASSWORD

LOGIN = "/accounts/login/"


@pytest.fixture
def signed_in(viewer: User) -> Client:
    client = Client()
    client.post(LOGIN, {"login": viewer.email, "password": PASSWORD})
    assert _is_in(client)
    return client


def _is_in(client: Client) -> bool:
    return client.get("/settings/").status_code == 200


def _cookie(client: Client) -> str:
    return client.cookies[product.SESSION_COOKIE_NAME].value


def _with(cookie: str) -> Client:
    client = Client()
    client.cookies[product.SESSION_COOKIE_NAME] = cookie
    return client


def test_the_cookie_signs_in_and_the_row_does_not(signed_in: Client, viewer: User) -> None:
    row = Session.objects.get()
    assert _is_in(_with(_cookie(signed_in)))
    assert not _is_in(_with(row.session_key))
    assert _cookie(signed_in) not in f"{row.session_key}{row.session_data}"


def test_what_a_session_holds_cannot_be_read_in_its_row(viewer: User) -> None:
    client = Client()
    session = client.session
    session["mfa.totp.secret"] = "JBSWY3DPEHPK3PXP"
    session.save()
    assert not re.search("JBSWY|mfa", Session.objects.get().session_data)
    assert client.session["mfa.totp.secret"] == "JBSWY3DPEHPK3PXP"


def test_another_sessions_data_in_ones_own_row_does_not_open(
    signed_in: Client, outsider: User
) -> None:
    theirs = Session.objects.get().session_data
    mine = Client()
    mine.force_login(outsider)
    Session.objects.update(session_data=theirs)
    assert _is_in(signed_in)
    assert not _is_in(mine)


def test_another_secret_key_opens_none(signed_in: Client, settings: Settings) -> None:
    settings.SECRET_KEY = "another"
    assert not _is_in(signed_in)


def test_signing_in_gives_a_new_session(viewer: User) -> None:
    client = Client()
    session = client.session
    session["planted"] = True
    session.save()
    before = _cookie(client)
    client.post(LOGIN, {"login": viewer.email, "password": PASSWORD})
    assert _is_in(client)
    assert _cookie(client) != before
    assert not _is_in(_with(before))


def test_a_new_password_ends_the_other_sessions(signed_in: Client, viewer: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(viewer)
    words = {"oldpassword": PASSWORD, "password1": "a whole new phrase", "password2": ""}
    words["password2"] = words["password1"]
    signed_in.post(reverse("account_change_password"), words)
    assert _is_in(signed_in)
    assert not _is_in(elsewhere)


def test_signing_out_takes_a_post_and_ends_the_session_for_good(signed_in: Client) -> None:
    cookie = _cookie(signed_in)
    signed_in.get("/accounts/logout/")
    assert _is_in(signed_in)
    signed_in.post("/accounts/logout/")
    assert not _is_in(signed_in)
    assert not _is_in(_with(cookie))


def test_sessions_whose_time_is_over_are_removed(signed_in: Client, viewer: User) -> None:
    other = Client()
    other.force_login(viewer)
    mine = Session.objects.get(session_key=row_name(_cookie(signed_in)))
    Session.objects.exclude(pk=mine.pk).update(expire_date=timezone.now())

    assert tasks.forget_sessions() == 1
    assert tasks.forget_sessions() == 0
    assert _is_in(signed_in)
    assert tasks.forget_sessions.name in BEAT


@pytest.mark.django_db(transaction=True)
def test_a_backup_holds_no_session(viewer: User, tmp_path: Path) -> None:
    client = Client()
    client.force_login(viewer)
    row = Session.objects.get()
    call_command("backup", str(tmp_path / "copy"))
    content = (tmp_path / "copy").read_bytes()
    assert row.session_key.encode() not in content
    assert row.session_data.encode() not in content
    call_command("restore", str(tmp_path / "copy"), "--yes")
    assert not Session.objects.exists()
    assert not _is_in(client)
