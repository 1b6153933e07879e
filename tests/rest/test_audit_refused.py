"""No audit row, no reveal: with a sink that refuses, nothing leaves and nothing changes."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client

from keys.models import AppKeyVersion, AuditEvent, ProviderKeyVersion
from tests.rest.conftest import SECRET

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refusing_sink() -> Iterator[None]:
    """The table takes no row any more, as on a full disk or without the right to write."""
    sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        if sqlite:
            cursor.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON keys_auditevent "
                "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        else:
            cursor.execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'disk full'; END $$"
            )
            cursor.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON keys_auditevent "
                "FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
    yield
    with connection.cursor() as cursor:
        if sqlite:
            cursor.execute("DROP TRIGGER refuse")
        else:
            cursor.execute("DROP TRIGGER refuse ON keys_auditevent")
            cursor.execute("DROP FUNCTION refuse")


OTHER = "another-secret-of-modelslab"
REST = {
    "/provider-keys/{provider}/reveal": {"reason": "moving house"},
    "/app-keys/{app}/reveal": None,
    "/app-keys": {"name": "New", "providers": None},
    "/app-keys/{app}/rotate": {"overlap_seconds": 60},
    "/app-keys/{app}/compromised": {"reason": "leaked", "replace": True},
    "/provider-keys": {"name": "New", "provider": "modelslab", "secret": OTHER},
    "/provider-keys/{provider}/rotate": {"secret": OTHER, "overlap_seconds": 60},
    "/provider-keys/{provider}/compromised": {"reason": "leaked", "secret": OTHER},
    "/provider-keys/import": {"text": f"MODELSLAB_API_KEY={OTHER}"},
}
PAGES = {
    "provider-keys/{provider}/reveal/": {"reason": "moving house"},
    "app-keys/{app}/copy/": {"form": "value"},
    "app-keys/{app}/copy/ ": {"form": "export", "provider": "modelslab"},
    "app-keys/{app}/rotate/": {"overlap": "3600"},
    "app-keys/{app}/compromised/": {"reason": "leaked", "replace": "on"},
    "app-keys/new/": {"name": "New", "environment": "live", "expiry": ""},
    "provider-keys/{provider}/compromised/": {"reason": "leaked", "secret": OTHER},
    "import/": {"text": f"MODELSLAB_API_KEY={OTHER}"},
    "/connect/": {"application": "shop", "provider": "modelslab", "secret": OTHER},
}


@pytest.mark.parametrize("path", REST)
def test_rest_gives_no_secret_out(rest, owner, provider_key, app_key, refusing_sink, path):
    place = path.format(provider=provider_key.pk, app=app_key.pk)
    client = rest(owner)
    client.raises = False
    answer = client.post(f"/applications/shop{place}", REST[path])
    assert answer.status >= 500
    assert SECRET not in answer.text
    assert "kd_live_" not in answer.text
    assert AppKeyVersion.objects.count() == ProviderKeyVersion.objects.count() == 1
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("path", PAGES)
def test_no_page_gives_a_secret_out(client_of, owner, provider_key, app_key, refusing_sink, path):
    client: Client = client_of(owner)
    client.raise_request_exception = False
    place = path.strip().format(provider=provider_key.pk, app=app_key.pk)
    url = place if place.startswith("/") else f"/applications/shop/{place}"
    answer = client.post(url, PAGES[path])
    assert answer.status_code >= 500
    assert SECRET not in answer.content.decode()
    assert app_key.plaintext not in answer.content.decode()
    assert AppKeyVersion.objects.count() == ProviderKeyVersion.objects.count() == 1
