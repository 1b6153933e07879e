"""Draining a spool into calls, counts and the writer's account."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from tests.factories import AppKeyFactory
from tests.ledger.conftest import START, make_event
from usage import stats
from usage.events import Outcome
from usage.ingest import drain, drain_dead
from usage.ingest.follower import Follower
from usage.ingest.store import Moved, store
from usage.models import (
    Call,
    KeyDay,
    KeyHour,
    KeyMinute,
    Quarantine,
    SpoolWriter,
)
from usage.rollups import compare
from usage.spool import Spool
from usage.spool.reader import draining, segment_path, segments

pytestmark = pytest.mark.django_db
NewSpool = Callable[..., Spool]


def record(spool: Spool, **fields: object) -> str:
    event = make_event(**fields)
    spool.end(spool.begin(event._replace(outcome=Outcome.ABORTED)), event)
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
    for model in (KeyMinute, KeyHour, KeyDay):
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


def test_a_torn_last_line_of_a_living_process_waits_until_it_is_whole(new_spool: NewSpool) -> None:
    spool = new_spool()
    path = segment_path(spool.directory, 1)
    record(spool)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    drain(spool.directory)
    assert Call.objects.count() == 0

    path.write_bytes(whole)
    drain(spool.directory)
    assert Call.objects.count() == 1
    assert Quarantine.objects.count() == 0


def test_a_torn_last_line_of_a_dead_process_is_not_believed(new_spool: NewSpool) -> None:
    spool = new_spool()
    record(spool)
    path = segment_path(spool.directory, 1)
    path.write_bytes(path.read_bytes()[:-5])
    spool.close()
    drain_dead()
    assert Call.objects.get().outcome == "aborted"
    assert account(spool).lost == 0


def test_a_last_line_that_lacks_nothing_but_its_end_is_believed_of_a_dead_process(
    new_spool: NewSpool,
) -> None:
    """As a power cut may leave it: what was safe on disk counts."""
    for lines in (1, 2):
        spool = new_spool(fsync=True)
        record(spool)
        path = segment_path(spool.directory, 1)
        path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[:lines]))
        drain(spool.directory)
        spool.close()
        drain_dead()
        assert (account(spool).accepted, account(spool).stored, account(spool).lost) == (1, 1, 0)
    assert sorted(Call.objects.values_list("outcome", flat=True)) == ["aborted", "ok"]


def test_a_damaged_line_is_quarantined_and_its_call_told_by_the_other_line(
    new_spool: NewSpool,
) -> None:
    spool = new_spool()
    for _ in range(3):
        record(spool)
    path = segment_path(spool.directory, 1)
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b"modelslab", b"model\0lab")  # the start of the second call
    path.write_bytes(b"\n".join(lines))

    done = drain(spool.directory)

    assert (done.stored, done.broken) == (3, 1)
    assert "checksum" in Quarantine.objects.get().reason
    assert (account(spool).lost, account(spool).broken) == (0, 1)


def test_a_call_of_which_no_line_is_left_is_counted_as_lost(new_spool: NewSpool) -> None:
    spool = new_spool()
    for _ in range(3):
        record(spool)
    path = segment_path(spool.directory, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[4:]))
    drain(spool.directory)
    assert (account(spool).accepted, account(spool).stored, account(spool).lost) == (3, 2, 1)


def test_a_poison_event_goes_to_quarantine_and_the_rest_is_stored(new_spool: NewSpool) -> None:
    spool = new_spool()
    record(spool, v=99)
    record(spool, id="no uuid")
    record(spool, application="far too long for an id")
    record(spool, started_at=2**53)
    record(spool, latency_ms=-1.0)
    record(spool)

    done = drain(spool.directory)

    assert (done.stored, done.quarantined) == (1, 5)
    assert Quarantine.objects.filter(reason__contains="version 99").exists()
    assert account(spool).lost == 0
    assert not list(compare(*_day_of_start()))


def test_a_call_that_only_the_database_refuses_is_quarantined_alone(new_spool: NewSpool) -> None:
    refuse = {
        "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON usage_call WHEN NEW.endpoint = '/poison'"
        " BEGIN SELECT RAISE(ABORT, 'refused'); END",
        "postgresql": "ALTER TABLE usage_call ADD CONSTRAINT refuse CHECK (endpoint <> '/poison')",
    }
    allow = {
        "sqlite": "DROP TRIGGER refuse",
        "postgresql": "ALTER TABLE usage_call DROP CONSTRAINT refuse",
    }
    spool = new_spool()
    for endpoint in ("/a", "/poison", "/b"):
        record(spool, endpoint=endpoint)
    with connection.cursor() as cursor:
        cursor.execute(refuse[connection.vendor])
        try:
            done = drain(spool.directory)
        finally:
            cursor.execute(allow[connection.vendor])
    assert (done.stored, done.quarantined) == (2, 1)
    assert list(Call.objects.order_by("endpoint").values_list("endpoint", flat=True)) == [
        "/a",
        "/b",
    ]


def test_long_text_is_cut_and_nul_replaced(new_spool: NewSpool) -> None:
    spool = new_spool()
    record(spool, user_agent="x" * 500, message="a\0b")
    drain(spool.directory)
    call = Call.objects.get()
    assert (len(call.user_agent), call.message) == (200, "a�b")


def test_the_same_event_in_two_spools_is_stored_and_counted_once(new_spool: NewSpool) -> None:
    first, second = new_spool(), new_spool()
    event = make_event()
    for spool in (first, second, second):
        spool.end(spool.begin(event), event)
        drain(spool.directory)
    assert Call.objects.count() == KeyDay.objects.get().requests == 1
    assert account(second).duplicates == 2


def test_drained_segments_are_removed(new_spool: NewSpool) -> None:
    spool = new_spool(segment_bytes=3000)
    spool.begin(make_event())
    for _ in range(30):
        record(spool)
    assert len(segments(spool.directory)) > 3
    drain(spool.directory)
    assert len(segments(spool.directory)) == 1
    spool.close()
    drain_dead()
    assert Call.objects.count() == 31
    assert account(spool).lost == 0


def store_and_die(spool: Spool, lines: int) -> bool:
    """A drainer that dies behind its first batch; whether there was one."""
    batch = Follower(spool.directory).next(limit=lines)
    if batch:
        store(batch, timezone.now())
    return batch is not None


def test_drainers_that_die_amid_the_calls_a_segment_repeats_count_each_once(
    new_spool: NewSpool,
) -> None:
    spool = new_spool(segment_bytes=3000)
    events = [make_event() for _ in range(40)]
    numbers = [spool.begin(event) for event in events]
    while store_and_die(spool, lines=7):
        assert account(spool).lost == 0
    assert account(spool).accepted == 40

    for number, event in zip(numbers, events, strict=True):
        spool.end(number, event)
        store_and_die(spool, lines=7)
        assert account(spool).lost == 0
    while store_and_die(spool, lines=7):
        pass

    kept = stats.ledger()
    assert (kept.accepted, kept.stored, kept.lost, kept.pending) == (40, 40, 0, 0)


def test_a_spool_made_again_tells_a_new_drainer_what_is_open(new_spool: NewSpool) -> None:
    spool = new_spool()
    numbers = [spool.begin(make_event()) for _ in range(9)]
    drain(spool.directory)
    shutil.rmtree(spool.directory)
    spool.flush()
    while store_and_die(spool, lines=2):
        assert account(spool).lost == 0
    for number in numbers:
        spool.end(number, make_event())
    while store_and_die(spool, lines=2):
        assert account(spool).lost == 0
    assert (account(spool).accepted, account(spool).stored) == (9, 9)


def test_a_drainer_that_comes_second_leaves_at_once(new_spool: NewSpool) -> None:
    spool = new_spool()
    record(spool)
    with draining(spool.directory):
        assert drain(spool.directory).busy
    assert drain(spool.directory).stored == 1


def test_a_drainer_overtaken_by_another_host_starts_from_where_that_one_came(
    new_spool: NewSpool,
) -> None:
    spool = new_spool()
    record(spool)
    slow = Follower(spool.directory)
    batch = slow.next()
    assert batch is not None
    drain(spool.directory)

    with pytest.raises(Moved):
        store(batch, timezone.now())

    assert Call.objects.count() == account(spool).stored == 1
    record(spool)
    assert drain(spool.directory).stored == 1


def test_a_spool_closed_before_a_crash_is_only_removed(new_spool: NewSpool) -> None:
    spool = new_spool()
    spool.begin(make_event())
    spool.close()
    follower = Follower(spool.directory)
    batch = follower.next()
    assert batch is not None
    store(batch, timezone.now())
    follower.advance(batch)
    store(follower.last(), timezone.now())  # and here the drainer died

    assert drain_dead().stored == 0
    assert not spool.directory.exists()
    assert (account(spool).stored, account(spool).duplicates) == (1, 0)


def test_what_is_no_spool_is_left_alone(spools: Path) -> None:
    (spools / "lost+found").mkdir(parents=True)
    (spools / ".private").mkdir()
    drain_dead()
    assert sorted(path.name for path in spools.iterdir()) == [".private", "lost+found"]


def test_keys_are_used_last_when_their_latest_call_started(new_spool: NewSpool) -> None:
    key = AppKeyFactory()
    spool = new_spool()
    record(spool, app_key=key.id, started_at=START + 5000)
    drain(spool.directory)
    record(spool, app_key=key.id, started_at=START)  # drained late
    drain(spool.directory)
    key.refresh_from_db()
    assert key.last_used_at == datetime.fromtimestamp(START / 1000 + 5, UTC)


def _day_of_start() -> tuple[datetime, datetime, datetime]:
    now = datetime.fromtimestamp(START / 1000, UTC)
    return now, now + timedelta(minutes=1), now


def test_a_spool_full_of_noise_is_quarantined_and_holds_up_no_other(new_spool: NewSpool) -> None:
    noisy, sound = new_spool(), new_spool()
    for _ in range(3):
        record(noisy)
        record(sound)
    segment_path(noisy.directory, 1).write_bytes(bytes(range(256)) * 20 + b"\n")
    for spool in (noisy, sound):
        spool.close()
    drain_dead()

    assert Call.objects.count() == account(sound).stored == 3
    assert account(noisy).broken > 0
    assert account(noisy).stored == 0
    assert not noisy.directory.exists()
