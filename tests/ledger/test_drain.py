"""Draining a spool into calls, counts and the writer's account."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ledger.conftest import make_event
from usage.events import Outcome
from usage.ingest import drain, drain_dead
from usage.models import Call, DayRollup, HourRollup, MinuteRollup, Quarantine, SpoolWriter
from usage.rollups import compare
from usage.spool import Spool
from usage.spool.reader import segment_path, segments

pytestmark = pytest.mark.django_db(transaction=True)
NewSpool = Callable[..., Spool]


def record(spool: Spool, **fields: object) -> str:
    event = make_event(**fields)
    spool.end(spool.begin(replace(event, outcome=Outcome.ABORTED)), event)
    return event.id


def account(spool: Spool) -> SpoolWriter:
    return SpoolWriter.objects.get(pk=spool.directory.name)


def test_a_call_is_stored_as_it_ended(new_spool: NewSpool) -> None:
    spool = new_spool()
    call_id = record(spool, message="prompt is required", status=422, outcome=Outcome.CALLER_ERROR)

    assert drain(spool.directory).stored == 1

    call = Call.objects.get()
    assert str(call.id) == call_id
    assert (call.outcome, call.status, call.message) == (
        "caller_error",
        422,
        "prompt is required",
    )
    for model in (MinuteRollup, HourRollup, DayRollup):
        row = model.objects.get()
        assert (row.requests, row.outcome, row.bytes_in) == (1, "caller_error", 10)


def test_a_second_drain_finds_nothing(new_spool: NewSpool) -> None:
    spool = new_spool()
    record(spool)
    drain(spool.directory)

    assert drain(spool.directory).stored == 0
    assert Call.objects.count() == 1
    assert account(spool).stored == account(spool).accepted == 1


def test_an_open_call_of_a_living_process_waits(new_spool: NewSpool) -> None:
    spool = new_spool()
    number = spool.begin(make_event())
    drain(spool.directory)
    assert Call.objects.count() == 0

    spool.end(number, make_event())
    drain(spool.directory)
    assert Call.objects.count() == 1


def test_a_dead_process_leaves_its_open_calls_aborted_and_no_folder(new_spool: NewSpool) -> None:
    spool = new_spool()
    record(spool)
    spool.begin(make_event())
    spool.close()

    assert drain_dead().stored == 2

    assert sorted(Call.objects.values_list("outcome", flat=True)) == ["aborted", "ok"]
    assert not spool.directory.exists()
    assert account(spool).closed_at is not None
    assert account(spool).lost == 0
