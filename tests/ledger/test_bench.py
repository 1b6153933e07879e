"""What recording a call costs, and how fast recorded calls come home, against plain baselines."""

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import transaction

from tests.ledger.conftest import START, make_event
from usage.bulk import insert_new
from usage.events import CallEvent, Outcome
from usage.ingest import drain
from usage.ingest.rows import COLUMNS, row_of
from usage.models import Call
from usage.spool import Spool
from usage.spool.records import END, encode

pytestmark = pytest.mark.bench
CALLS = 20_000


def believable(count: int) -> list[CallEvent]:
    """500 calls a second of 20 app keys, 7 provider keys and 3 endpoints."""
    luck = random.Random(1)
    events = []
    for index in range(count):
        key = luck.randrange(20)
        events.append(
            make_event(
                app_key=f"ak{key}",
                provider_key=f"pk{key % 7}",
                endpoint=f"/api/v6/images/{key % 3}",
                started_at=START + index * 2,
                latency_ms=luck.lognormvariate(4, 1),
            )
        )
    return events


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_recording_a_call(new_spool: Callable[..., Spool], tmp_path: Path) -> None:
    spool, event = new_spool(), make_event()
    line = encode(END, 1, 1, event)
    file = os.open(tmp_path / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def record() -> None:
        for _ in range(100):
            spool.end(spool.begin(event), event)

    def plain() -> None:
        for _ in range(200):
            os.write(file, line)

    recording = min(seconds(record) for _ in range(200)) / 100
    writing = min(seconds(plain) for _ in range(200)) / 100
    os.close(file)
    print(
        f"\nrecording a call, start and end: {recording * 1e6:.1f} µs, "
        f"{recording / writing:.1f} times two plain writes"
    )


@pytest.mark.django_db
def test_draining(new_spool: Callable[..., Spool]) -> None:
    rounds = []
    for _ in range(3):
        spool, events = new_spool(), believable(CALLS)
        for event in events:
            start = replace(event, outcome=Outcome.ABORTED, status=0)
            spool.end(spool.begin(start), event)
        rows = [row_of(replace(event, id=make_event().id)) for event in events]
        with transaction.atomic():
            plain = seconds(
                lambda rows=rows: [  # type: ignore[misc]
                    insert_new(Call, COLUMNS, rows[at : at + 2000]) for at in range(0, CALLS, 2000)
                ]
            )
        rounds.append((seconds(lambda spool=spool: drain(spool.directory)), plain))  # type: ignore[misc]
    draining, plain = min(rounds)
    print(
        f"\ndraining: {CALLS / draining:,.0f} calls/s "
        f"({draining / plain:.1f} times the time of inserting the same rows without counting)"
    )
