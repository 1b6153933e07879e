"""Stored calls to ask about: `store(…)` as the product stores them, at a fixed moment."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.ledger.conftest import make_event
from usage import spool, stats
from usage.events import CallEvent
from usage.ingest import drain
from usage.spool import Spool

NOW = datetime(2026, 9, 23, 14, 13, 20, tzinfo=UTC)  # a Wednesday
Store = Callable[..., None]


@pytest.fixture
def store(tmp_path: Path, settings: Settings) -> Iterator[Store]:
    settings.SPOOL_DIR = tmp_path / "spool"
    writer = Spool(settings.SPOOL_DIR / spool.new_writer_id())

    def keep(*events: CallEvent) -> None:
        for event in events:
            writer.end(writer.begin(event), event)
        drain(writer.directory)

    yield keep
    writer.close()


def call(before: timedelta | datetime = timedelta(), **fields: object) -> CallEvent:
    """A call that long before NOW, or at that moment."""
    at = NOW - before if isinstance(before, timedelta) else before
    return make_event(**{"started_at": int(at.timestamp() * 1000), **fields})


def calls(
    count: int, before: timedelta | datetime = timedelta(), **fields: object
) -> list[CallEvent]:
    return [call(before, **fields) for _ in range(count)]


def lately(**fields: object) -> stats.Filter:
    """The 24 hours up to a minute after NOW."""
    until = NOW + timedelta(minutes=1)
    given = {"since": until - timedelta(hours=24), "until": until, **fields}
    return stats.Filter(**given)  # type: ignore[arg-type]
