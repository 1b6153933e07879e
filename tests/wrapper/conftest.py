"""The shop with a ModelsLab key, before an upstream."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from keys.models import Application, ProviderKey
from keys.states import Verdict
from tests.factories import ProviderKeyFactory
from tests.gateway.serving import wait_until
from tests.upstream import Upstream
from usage import ingest
from usage.client import KeyedSession
from usage.gateway import desk
from usage.models import Call

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
def provider(allow_upstream: Upstream) -> Upstream:
    """ModelsLab's stand-in, answering a picture."""
    allow_upstream.answer(200, {"status": "success", "id": 7, "output": ["https://cdn.test/7.png"]})
    return allow_upstream


@pytest.fixture
def start_session(
    application: Application, provider_key: ProviderKey, provider: Upstream
) -> Iterator[Callable[..., KeyedSession]]:
    sessions = []

    def start(**options: Any) -> KeyedSession:
        made = {"application": "shop", "provider": "modelslab", "caller": "nightly-batch"}
        session = KeyedSession(**{**made, **options})
        sessions.append(session)
        return session

    yield start
    for session in sessions:
        session.close()
    ingest.stop_drainer(60)  # while the test's database is there
    desk.forget()


@pytest.fixture
def session(start_session: Callable[..., KeyedSession]) -> KeyedSession:
    return start_session()


def only_call() -> Call:
    """The one call that was recorded, once it is drained."""
    wait_until(Call.objects.exists)
    return Call.objects.get()
