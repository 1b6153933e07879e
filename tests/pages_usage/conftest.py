"""Calls of this moment, stored as the product stores them: spooled, then drained."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from keys.models import AppKey, Application, ProviderKey
from tests.factories import AppKeyFactory, ProviderKeyFactory
from tests.ledger.conftest import make_event
from usage import spool
from usage.events import CallEvent
from usage.ingest import drain
from usage.spool import Spool

Call = Callable[..., CallEvent]


@pytest.fixture
def app_key(application: Application) -> AppKey:
    return AppKeyFactory(application=application, name="Web")


@pytest.fixture
def provider_key(application: Application) -> ProviderKey:
    return ProviderKeyFactory(application=application, name="ModelsLab main")


@pytest.fixture
def store(tmp_path: Path, settings: Settings) -> Iterator[Callable[..., None]]:
    settings.SPOOL_DIR = tmp_path / "spool"
    writer = Spool(settings.SPOOL_DIR / spool.new_writer_id())

    def keep(*events: CallEvent) -> None:
        for event in events:
            writer.end(writer.begin(event), event)
        drain(writer.directory)

    yield keep
    writer.close()


@pytest.fixture
def call(
    application: Application,
    app_key: AppKey,
    provider_key: ProviderKey,
    store: Callable[..., None],
) -> Call:
    """`call(outcome=…, ago=…)` stores a call of the shop and returns it."""

    def make(ago: timedelta = timedelta(), **fields: object) -> CallEvent:
        at = timezone.now() - ago
        event = make_event(
            **{
                "application": application.id,
                "app_key": app_key.id,
                "provider_key": provider_key.id,
                "started_at": int(at.timestamp() * 1000),
                **fields,
            }
        )
        store(event)
        return event

    return make
