"""Without the master key: what needs a secret says so, everything else works."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from keys import vault
from keys.models import AppKey, ProviderKey, User
from keys.states import KeyState

ClientOf = Callable[..., Client]
SEALED = "The vault is sealed: the master key is missing. Put it back, then try again."


@pytest.fixture
def browser(
    client_of: ClientOf,
    owner: User,
    app_key: AppKey,
    provider_key: ProviderKey,
    settings: Settings,
    tmp_path: Path,
) -> Client:
    client = client_of(owner)
    settings.MASTER_KEYS, settings.MASTER_KEY_FILE = "", tmp_path / "none"
    vault.forget()
    return client


def pages(app_key: AppKey, provider_key: ProviderKey) -> tuple[str, str]:
    return (
        f"/applications/shop/app-keys/{app_key.pk}/",
        f"/applications/shop/provider-keys/{provider_key.pk}/",
    )


def test_what_needs_the_vault_answers_503_and_changes_nothing(
    browser: Client, app_key: AppKey, provider_key: ProviderKey
) -> None:
    mine, theirs = pages(app_key, provider_key)
    new = {"name": "New", "provider": "modelslab", "secret": "sk-0123456789abcdef"}
    sent: list[tuple[str, dict[str, str]]] = [
        (f"{theirs}reveal/", {"reason": "moving house"}),
        (f"{theirs}rotate/", {"secret": "sk-0123456789abcdef", "overlap": "3600"}),
        (f"{mine}rotate/", {"overlap": "3600"}),
        ("/applications/shop/provider-keys/new/", new),
        ("/applications/shop/app-keys/new/", {"name": "New", "environment": "live"}),
        ("/applications/shop/data-key/", {}),
        ("/applications/new/", {"name": "Second"}),
    ]
    for url, data in sent:
        answer = browser.post(url, data)
        assert (answer.status_code, SEALED in answer.content.decode()) == (503, True), url
    copied = browser.post(f"{mine}copy/")
    assert (copied.status_code, copied.json()) == (503, {"message": SEALED})
    checked = browser.post(f"{theirs}check/", follow=True)
    assert SEALED in checked.content.decode()
    assert app_key.versions.count() == provider_key.versions.count() == 1


def test_looking_disabling_and_revoking_go_on(
    browser: Client, app_key: AppKey, provider_key: ProviderKey
) -> None:
    mine, theirs = pages(app_key, provider_key)
    for url in ("/", "/applications/shop/", mine, theirs, "/calls/", "/audit/", "/settings/"):
        assert browser.get(url).status_code == 200, url
    for key, url in ((app_key, mine), (provider_key, theirs)):
        assert browser.post(f"{url}disable/").status_code == 302
        assert browser.post(f"{url}revoke/").status_code == 302
        key.refresh_from_db()
        assert key.state == KeyState.REVOKED


def test_in_a_dialog_it_is_said_where_one_is_looking(
    browser: Client, provider_key: ProviderKey
) -> None:
    url = f"/applications/shop/provider-keys/{provider_key.pk}/reveal/"
    answer = browser.post(url, {"reason": "moving house"}, headers={"HX-Request": "true"})
    assert (answer.status_code, SEALED in answer.content.decode()) == (422, True)
