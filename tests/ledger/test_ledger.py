"""The ledger: accepted = stored + duplicates + quarantined + lost + pending, at any moment."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from config.celery import BEAT
from tests.ledger.conftest import START, make_event
from usage import stats, tasks
from usage.ingest import drain
from usage.models import Call, SpoolWriter
from usage.spool import Spool
from usage.spool.reader import segment_path

pytestmark = pytest.mark.django_db
NewSpool = Callable[..., Spool]
STARTED = datetime.fromtimestamp(START / 1000, UTC)


def record(spool: Spool, calls: int = 1, **fields: object) -> None:
    for _ in range(calls):
        event = make_event(**fields)
        spool.end(spool.begin(event), event)


def balanced(found: stats.Ledger | stats.Writer) -> bool:
    told = found.stored + found.duplicates + found.quarantined + found.lost + found.pending
    return found.accepted == told


def test_an_empty_ledger_is_all_zero(spools: object) -> None:
    found = stats.ledger()
    assert (found.accepted, found.pending, found.lag_seconds, found.writers) == (0, 0, 0.0, [])


def test_what_is_on_disk_alone_is_accepted_and_pending(new_spool: NewSpool) -> None:
    record(new_spool(), 5)
    found = stats.ledger()
    assert (found.accepted, found.stored, found.pending) == (5, 0, 5)
    assert len(found.writers) == 1


def test_what_is_drained_is_stored_and_an_open_call_stays_pending(new_spool: NewSpool) -> None:
    spool = new_spool()
    record(spool, 3)
    spool.begin(make_event())
    drain(spool.directory)
    found = stats.ledger()
    assert (found.accepted, found.stored, found.pending, found.lag_seconds) == (4, 3, 1, 0.0)


def test_lag_is_the_age_of_the_oldest_record_not_drained(new_spool: NewSpool) -> None:
    spool = new_spool()
    record(spool)
    drain(spool.directory)
    record(spool, started_at=START + 60_000)
    record(spool, started_at=START + 90_000)
    assert stats.ledger(STARTED + timedelta(seconds=100)).lag_seconds == pytest.approx(40)


def test_every_fate_of_a_call_has_its_column(new_spool: NewSpool) -> None:
    spool, other = new_spool(), new_spool()
    event = make_event()
    for one in (spool, other):
        one.end(one.begin(event), event)
    record(spool, id="no uuid")
    for _ in range(2):
        record(other)
    path = segment_path(other.directory, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[4:]))
    drain(spool.directory)
    drain(other.directory)
    record(other, 2)

    found = stats.ledger()

    assert (found.stored, found.duplicates, found.quarantined) == (2, 1, 1)
    assert (found.lost, found.pending, found.accepted) == (1, 2, 7)
    assert balanced(found)
    assert all(balanced(writer) for writer in found.writers)


def test_writers_closed_long_ago_count_and_are_not_listed(new_spool: NewSpool) -> None:
    spool = new_spool()
    record(spool, 3)
    spool.close()
    drain(spool.directory)
    assert [writer.closed_at is None for writer in stats.ledger().writers] == [False]

    SpoolWriter.objects.update(closed_at=timezone.now() - timedelta(days=2))
    found = stats.ledger()
    assert (found.accepted, found.stored, found.writers) == (3, 3, [])


def test_the_command_shows_it(new_spool: NewSpool, capsys: pytest.CaptureFixture[str]) -> None:
    spool = new_spool()
    record(spool, 2)
    call_command("ledger")
    assert spool.directory.name in capsys.readouterr().out
    call_command("ledger", "--json")
    assert json.loads(capsys.readouterr().out)["pending"] == 2


def test_the_task_trims_calls_past_their_time(new_spool: NewSpool) -> None:
    spool = new_spool()
    record(spool, started_at=int((timezone.now() - timedelta(days=400)).timestamp() * 1000))
    drain(spool.directory)
    tasks.trim_calls()
    assert Call.objects.count() == 0


def test_trimming_is_woken_in_a_sitting_of_minutes() -> None:
    # Beat counts each wait from its own start.
    assert BEAT["usage.tasks.trim_calls"] <= 300
