"""Spools in a folder of their own, events by the dozen, and the databases they go to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uuid_utils

from usage import spool
from usage.events import CallEvent, Outcome, Source
from usage.ingest import drainer
from usage.spool import Spool

START = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC


def make_event(**fields: object) -> CallEvent:
    defaults: dict[str, object] = {
        "id": str(uuid_utils.uuid7()),
        "source": Source.GATEWAY,
        "application": "app000000001",
        "app_key": "ak0000000001",
        "provider": "modelslab",
        "provider_key": "pk0000000001",
        "method": "POST",
        "endpoint": "/api/v6/images/text2img",
        "started_at": START,
        "outcome": Outcome.OK,
        "status": 200,
        "latency_ms": 12.5,
        "bytes_in": 10,
        "bytes_out": 20,
        "attempts": 1,
    }
    return CallEvent(**{**defaults, **fields})  # type: ignore[arg-type]


@pytest.fixture
def spools(tmp_path: Path, settings: object) -> Path:
    """The spool directory of this test."""
    settings.SPOOL_DIR = tmp_path / "spool"  # type: ignore[attr-defined]
    return tmp_path / "spool"


@pytest.fixture
def new_spool(spools: Path) -> Iterator[Callable[..., Spool]]:
    made: list[Spool] = []

    def make(**options: object) -> Spool:
        made.append(Spool(spools / spool.new_writer_id(), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def my_spool(spools: Path) -> Iterator[Spool]:
    """The process's own spool, as gateway and wrapper use it."""
    mine = spool.mine()
    yield mine
    drainer.stop_drainer(60)
    mine.close()
