"""When something breaks behind REST: the right status, JSON, and nothing of the inside."""

import logging

import pytest
from django.db import OperationalError
from django.test import Client

from config.logging import mask
from keys import permissions, vault

pytestmark = pytest.mark.django_db
CANARY = "canary-in-the-exception"


@pytest.fixture
def broken(monkeypatch, rest, owner):
    """`broken(error)`: what a caller gets when the domain raises it."""
    client = Client(
        raise_request_exception=False,
        headers={"Authorization": f"Bearer {rest(owner).token}"},
    )

    def answer(error):
        def raise_it(*_):
            raise error

        monkeypatch.setattr(permissions, "visible_applications", raise_it)
        return client.get("/api/v1/applications")

    return answer


def test_an_unforeseen_error_shows_nothing_and_is_logged(broken, caplog):
    with caplog.at_level(logging.ERROR):
        response = broken(RuntimeError(CANARY))

    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert response.json()["error"]["type"] == "api_error"
    assert CANARY not in response.text
    assert "GET /api/v1/applications failed" in caplog.text


def test_it_is_logged_without_the_token(broken, caplog, rest, owner):
    token = rest(owner).token
    with caplog.at_level(logging.ERROR):
        broken(RuntimeError("x"))
    assert token not in caplog.text
    assert mask(token) == "[masked]"


def test_a_database_away_is_a_503_that_says_when_to_come_back(broken):
    response = broken(OperationalError(CANARY))

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "database_unavailable"
    assert response["Retry-After"] == "5"
    assert CANARY not in response.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/app-keys", {"name": "Worker"}),
        ("/provider-keys", {"name": "B", "provider": "modelslab", "secret": "secret-0123456789"}),
        ("/provider-keys/KEY/rotate", {"secret": "secret-0123456789"}),
        ("/provider-keys/KEY/reveal", {"reason": "moving house"}),
        ("/provider-keys/KEY/check", None),
    ],
)
def test_a_sealed_vault_says_so(rest, owner, provider_key, settings, path, body):
    client = rest(owner)
    settings.MASTER_KEYS = ""
    vault.forget()

    answer = client.post(f"/applications/shop{path}".replace("KEY", provider_key.id), body)

    assert (answer.status, answer.json["error"]["code"]) == (503, "sealed"), answer.text


def test_looking_disabling_and_revoking_go_on_while_sealed(rest, owner, provider_key, settings):
    client, path = rest(owner), f"/applications/shop/provider-keys/{provider_key.id}"
    settings.MASTER_KEYS = ""
    vault.forget()

    assert client.get(path).status == 200
    assert client.post(f"{path}/disable").status == 200
    assert client.post(f"{path}/revoke").status == 200


def test_a_secret_that_does_not_open_is_told_apart(rest, owner, provider_key):
    version = provider_key.versions.get()
    version.sealed = version.sealed[:-8] + "AAAAAAA="
    version.save()

    path = f"/applications/shop/provider-keys/{provider_key.id}/reveal"
    answer = rest(owner).post(path, {"reason": "moving house"})

    assert (answer.status, answer.json["error"]["code"]) == (503, "undecryptable")
