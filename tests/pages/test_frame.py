"""The frame of every page: strict CSP, no inline code, sign-in and error pages, sealed banner."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client

from config import npm
from keys import attention, permissions
from keys.models import User

ClientOf = Callable[..., Client]
TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
SCRIPTS = sorted((settings.BASE_DIR / "static" / "js").glob("*.js"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.name))
def test_templates_have_no_inline_style_script_or_handler(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son\w+\s*=|hx-on|hx-vals\s*=\s*[\"']js:|javascript:", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text)
    assert not re.search(r"<style", text)
    assert len(text.splitlines()) <= 150


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_short_and_evaluate_nothing(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\beval\(|new Function|document\.write", text)
    assert len(text.splitlines()) <= 150


def test_every_icon_that_a_page_draws_is_in_the_set() -> None:
    sources = [*TEMPLATES, *(settings.BASE_DIR / "keys" / "attention").glob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    drawn = set(re.findall(r"{% icon \"([\w-]+)\"", text))
    drawn |= set(re.findall(r"nav_item \"\w+\" \"[\w ]+\" \"([\w-]+)\"", text))
    assert drawn <= set(npm.ICONS.split())


def test_answers_carry_the_policy(client: Client, db: None) -> None:
    policy = client.get("/accounts/login/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_sign_in_has_no_sign_up_and_leads_to_the_overview(client: Client, viewer: User) -> None:
    page = client.get("/accounts/login/").content.decode()
    assert "by invitation" in page
    assert "/accounts/signup/" not in page
    words = {"login": viewer.email, "password": "correct horse battery staple"}
    assert client.post("/accounts/login/", words)["Location"] == "/"


def test_a_wrong_password_is_said_and_the_address_kept(client: Client, viewer: User) -> None:
    answer = client.post("/accounts/login/", {"login": viewer.email, "password": "wrong"})
    page = answer.content.decode()
    assert f'value="{viewer.email}"' in page
    assert "alert-danger" in page


def test_confirming_who_one_is_goes_on_to_where_one_was(client_of: ClientOf, viewer: User) -> None:
    client = client_of(viewer, fresh=False)
    start = client.get("/settings/tokens/new/")["Location"]
    assert "Confirm it’s you" in client.get(start).content.decode()
    words = {"password": "correct horse battery staple", "next": "/settings/tokens/new/"}
    assert client.post(start, words)["Location"] == "/settings/tokens/new/"
    assert client.get("/settings/tokens/new/").status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/audit/?who=a%00b",
        "/calls/?provider=%00",
        "/checks/?application=%00",
        "/usage/data/?app_key=%00",
        "/usage/panel/?application=%00",
        "/applications/shop/app-keys/%00/",
        "/applications/shop/provider-keys/%00/reveal/",
        "/settings/tokens/%00/revoke/",
    ],
)
def test_a_nul_character_in_an_address_is_a_bad_request(
    client_of: ClientOf, owner: User, address: str
) -> None:
    """PostgreSQL takes none in a parameter; SQLite would find nothing."""
    answer = client_of(owner).get(address)
    assert answer.status_code == 400
    assert "can’t be right" in answer.content.decode()
    assert "default-src" in answer["Content-Security-Policy"]


def test_what_does_not_exist_has_a_page_of_its_own(client_of: ClientOf, viewer: User) -> None:
    answer = client_of(viewer).get("/applications/nothing/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_a_sealed_vault_is_said_on_every_page(
    client_of: ClientOf, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "is_sealed", lambda: True)
    for url in ("/", "/settings/", "/applications/"):
        assert "The vault is sealed" in client_of(viewer).get(url).content.decode()


@pytest.mark.parametrize(
    "url",
    [
        "/accounts/password/reset/",
        "/accounts/password/reset/done/",
        "/accounts/logout/",
        "/accounts/password/change/",
        "/accounts/2fa/",
    ],
)
def test_the_account_pages_wear_the_same_frame(url: str, client_of: ClientOf, viewer: User) -> None:
    page = client_of(viewer).get(url, follow=True).content.decode()
    assert "kd-entrance" in page
    assert "<h1" in page


def test_a_page_without_its_database_says_when_to_come_back(
    monkeypatch: pytest.MonkeyPatch, client_of: ClientOf, owner: User
) -> None:
    client = client_of(owner)
    client.raise_request_exception = False

    def away(*_: object) -> None:
        raise OperationalError("connection failed: host db.internal")

    monkeypatch.setattr(permissions, "visible_applications", away)
    answer = client.get("/applications/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "database" in answer.text
    assert "db.internal" not in answer.text
