"""What recording a call costs, and how fast recorded calls come home, against plain baselines."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.ledger.conftest import make_event
from usage.events import CallEvent, Outcome
from usage.ingest import drain
from usage.ingest.follower import Follower
from usage.ingest.kinds import Gathered
from usage.ingest.sink import SINK
from usage.spool import Spool
from usage.spool.records import END, encode

pytestmark = pytest.mark.bench
CALLS = 40_000
PER_SECOND = 2000
ENDINGS = {
    (Outcome.OK, 200): 90,
    (Outcome.UPSTREAM_ERROR, 502): 4,
    (Outcome.RATE_LIMITED, 429): 3,
    (Outcome.CALLER_ERROR, 422): 2,
    (Outcome.ABORTED, 0): 1,
}


def believable(count: int) -> list[CallEvent]:
    """Calls of the last minute: 50 app keys, 7 provider keys, 10 endpoints each, 5 outcomes."""
    luck = random.Random(1)
    begin = time.time_ns() // 1_000_000 - count * 1000 // PER_SECOND
    events = []
    for index in range(count):
        key, endpoint = luck.randrange(50), luck.randrange(10)
        outcome, status = luck.choices(list(ENDINGS), list(ENDINGS.values()))[0]
        events.append(
            make_event(
                application=f"app{key % 5}",
                app_key=f"ak{key}",
                app_key_version=1,
                provider_key=f"pk{key % 7}",
                provider_key_version=1,
                endpoint=f"/api/v6/images/endpoint{endpoint}",
                user_agent="python-requests/2.32.3",
                address="203.0.113.9",
                started_at=begin + index * 1000 // PER_SECOND,
                outcome=outcome,
                status=status,
                latency_ms=round(luck.lognormvariate(5, 0.5) * (1 + endpoint / 3), 3),
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


def write(spool: Spool, events: list[CallEvent]) -> None:
    for event in events:
        spool.end(spool.begin(event._replace(outcome=Outcome.ABORTED, status=0)), event)


@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
def test_draining(new_spool: Callable[..., Spool]) -> None:
    rounds = []
    for _ in range(2):
        spool = new_spool()
        write(spool, believable(CALLS))
        batch = Follower(spool.directory).next(limit=2 * CALLS)
        assert batch is not None
        rows = Gathered(batch.ended, timezone.now()).rows(None)
        SINK.make_room({timezone.now().date()})
        with transaction.atomic():
            plain = seconds(
                lambda rows=rows: [  # type: ignore[misc]
                    SINK.put(rows[at : at + 20_000]) for at in range(0, CALLS, 20_000)
                ]
            )
            transaction.set_rollback(True)
        used = time.process_time()
        took = seconds(lambda spool=spool: drain(spool.directory))  # type: ignore[misc]
        rounds.append((took, plain, time.process_time() - used))
    draining, plain, used = min(rounds)
    print(
        f"\ndraining ({connection.vendor}): {CALLS / draining:,.0f} events/s, "
        f"{draining / plain:.1f} times the time of storing the same rows without reading, checking "
        f"and counting; {used / CALLS * 1e6:.1f} µs of this process's processor each"
    )


@pytest.mark.django_db(transaction=True)
def test_a_tick_of_few_calls(new_spool: Callable[..., Spool]) -> None:
    """The drainer shares the processor with the calls: what ten of them cost it."""
    spool = new_spool()
    used = []
    for _ in range(60):
        write(spool, believable(10))
        before = time.thread_time()
        drain(spool.directory)
        used.append(time.thread_time() - before)
    print(f"\ndraining ten calls ({connection.vendor}): {median(used) * 1000:.1f} ms of processor")
