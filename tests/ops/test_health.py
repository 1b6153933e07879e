"""/healthz, /readyz and /metrics: without a sign-in, telling how things are and nothing more."""

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoDbBlocker, Settings

from keys import vault
from keys.models import Application
from tests.factories import ProviderKeyFactory
from usage.gateway import desk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, settings: Settings) -> None:
    settings.SPOOL_DIR = tmp_path / "spool"


@pytest.fixture(autouse=True)
def _no_thread_left() -> "object":
    yield
    desk.forget()


def test_it_is_alive_without_a_database(client: Client, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.block():
        reply = client.get(reverse("healthz"))
    assert (reply.status_code, reply.json()) == (200, {"status": "alive"})


def test_it_is_not_ready_while_the_vault_is_sealed(
    client: Client, application: Application, settings: Settings, tmp_path: Path
) -> None:
    settings.MASTER_KEYS = ""
    settings.MASTER_KEY_FILE = tmp_path / "none"
    vault.forget()
    reply = client.get(reverse("readyz"))
    assert reply.status_code == 503
    assert reply.json()["checks"]["vault"] == "sealed"


def test_metrics_count_keys_by_verdict(client: Client) -> None:
    ProviderKeyFactory(verdict="live")
    text = client.get(reverse("metrics")).content.decode()
    assert 'keydeck_provider_keys{provider="modelslab",verdict="live"} 1.0' in text
    assert 'keydeck_ledger_total{account="lost"} 0.0' in text
    assert "keydeck_vault_sealed 0.0" in text


def test_metrics_are_for_this_machine_alone(client: Client) -> None:
    url = reverse("metrics")
    assert client.get(url, REMOTE_ADDR="192.0.2.1").status_code == 403
    assert client.get(url, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 403
    assert client.get(url).status_code == 200


def test_metrics_want_the_token_where_one_is_set(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "scrape"
    url = reverse("metrics")
    assert client.get(url).status_code == 403
    assert client.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 403
    right = {"Authorization": "Bearer scrape"}
    assert client.get(url, headers=right, REMOTE_ADDR="192.0.2.1").status_code == 200
