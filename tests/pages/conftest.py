"""What the tests of pages share: a provider that accepts secrets, keys, and their addresses."""

import pytest
from django.urls import reverse

from keys.models import AppKey, Application, ProviderKey
from tests.factories import AppKeyFactory, ProviderKeyFactory
from tests.upstream import Upstream

LIVE = {"status": "success", "data": {"balance": 12.5, "currency": "USD"}}
REFUSED = {"status": "error", "message": "Invalid API key"}
SECRET = "the-secret-of-the-shops-account"


@pytest.fixture
def provider(allow_upstream: Upstream) -> Upstream:
    """ModelsLab's stand-in; it accepts every secret."""
    allow_upstream.answer(200, LIVE)
    return allow_upstream


@pytest.fixture
def refusing(allow_upstream: Upstream) -> Upstream:
    """ModelsLab's stand-in; it refuses every secret."""
    allow_upstream.answer(401, REFUSED)
    return allow_upstream


@pytest.fixture
def silent(allow_upstream: Upstream) -> Upstream:
    """ModelsLab's stand-in; it is out of order."""
    allow_upstream.answer(503, {})
    return allow_upstream


@pytest.fixture
def provider_key(application: Application) -> ProviderKey:
    return ProviderKeyFactory(
        application=application, name="Main account", secret=SECRET, verdict="live"
    )


@pytest.fixture
def app_key(application: Application) -> AppKey:
    return AppKeyFactory(application=application, name="Website")


def page_of(key: ProviderKey | AppKey, act: str = "") -> str:
    """The address of a key's page, or of one of its acts."""
    name = "provider_key" if isinstance(key, ProviderKey) else "app_key"
    address = reverse(name, args=[key.application.slug, key.pk])
    return f"{address}{act}/" if act else address
