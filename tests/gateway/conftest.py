"""A gateway before an upstream, with one provider key and one app key of the shop."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from keys.models import AppKey, Application, ProviderKey
from keys.states import Verdict
from tests.factories import AppKeyFactory, ProviderKeyFactory
from tests.gateway.serving import Server
from tests.upstream import Upstream

REAL = "realSecretKeyOfModelsLab0123456789abcdefghijklmnopqrstuvwxyz"
TEXT2IMG = "/api/v6/images/text2img"


@pytest.fixture
def application(transactional_db: None, application: Application) -> Application:
    """The shop in a database that other threads see."""
    return application


@pytest.fixture
def provider_key(application: Application) -> ProviderKey:
    key: ProviderKey = ProviderKeyFactory(
        application=application, secret=REAL, verdict=Verdict.LIVE
    )
    return key


@pytest.fixture
def app_key(application: Application) -> AppKey:
    key: AppKey = AppKeyFactory(application=application)
    return key


@pytest.fixture
def key(app_key: AppKey) -> str:
    return app_key.plaintext  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def provider(allow_upstream: Upstream) -> Upstream:
    """ModelsLab's stand-in, answering a picture."""
    allow_upstream.answer(200, {"status": "success", "id": 7, "output": ["https://cdn.test/7.png"]})
    return allow_upstream


@pytest.fixture
def start_gateway(transactional_db: None, settings: Settings) -> Iterator[Callable[..., Server]]:
    servers = []

    def start(app: Any = None) -> Server:
        server = Server(app) if app else Server()
        settings.GATEWAY_URL = f"{server.url}/gateway"
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def gateway(
    start_gateway: Callable[..., Server], provider_key: ProviderKey, provider: Upstream
) -> Server:
    return start_gateway()
