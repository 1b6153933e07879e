"""A backlog: the next batch is read while this one is stored, and nothing of it counts before."""

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.ledger.conftest import make_event
from usage.events import Outcome
from usage.ingest import drain
from usage.ingest.follower import Follower
from usage.ingest.sink import SINK
from usage.ingest.store import Batch, Drained, store
from usage.models import Call, SpoolWriter
from usage.spool import Spool
from usage.spool.reader import segments

pytestmark = pytest.mark.django_db
DRAIN = import_module("usage.ingest.drain")  # by its name the package has the function of it
NewSpool = Callable[..., Spool]
Storing = Callable[[Batch, Any], Drained]


@pytest.fixture
def backlog(new_spool: NewSpool, monkeypatch: pytest.MonkeyPatch) -> Spool:
    """20 calls in several segments, drained by two at most."""
    monkeypatch.setattr(DRAIN, "BATCH", 4)
    spool = new_spool(segment_bytes=3000)
    for _ in range(20):
        event = make_event()
        spool.end(spool.begin(event._replace(outcome=Outcome.ABORTED)), event)
    return spool


def check(spool: Spool) -> None:
    account = SpoolWriter.objects.get(pk=spool.directory.name)
    assert (account.accepted, account.stored, account.duplicates, account.lost) == (20, 20, 0, 0)
    assert Call.objects.filter(outcome="ok").count() == Call.objects.count() == 20


def test_the_next_batch_is_read_while_this_one_is_stored(
    backlog: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = threading.Semaphore(0)
    following = Follower.next

    def told(follower: Follower, limit: int) -> Batch | None:
        batch = following(follower, limit)
        read.release()
        return batch

    def waiting(batch: Batch, now: Any) -> Drained:
        assert read.acquire(timeout=20)  # this one
        if batch.full:
            assert read.acquire(timeout=20)  # the next
            read.release()
        return store(batch, now)

    monkeypatch.setattr(Follower, "next", told)
    monkeypatch.setattr(DRAIN, "store", waiting)
    assert drain(backlog.directory).stored == 20
    check(backlog)


@pytest.mark.parametrize("broken", [1, 2, 10])
def test_what_was_read_ahead_of_a_batch_that_is_not_stored_is_read_again(
    backlog: Spool, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    stored: list[Batch] = []

    def failing(batch: Batch, now: Any) -> Drained:
        if len(stored) == broken - 1:
            raise OperationalError("away")
        stored.append(batch)
        return store(batch, now)

    monkeypatch.setattr(DRAIN, "store", failing)
    with pytest.raises(OperationalError):
        drain(backlog.directory)
    assert Call.objects.count() == sum(len(batch.ended) for batch in stored)
    assert segments(backlog.directory)[0] == (stored[-1].end.segment if stored else 1)

    monkeypatch.setattr(DRAIN, "store", store)
    drain(backlog.directory)
    check(backlog)


def test_what_was_read_ahead_is_let_go_of_where_another_drainer_was_first(
    backlog: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = iter([4, 8])  # lines that the drainer of another host stores before our batch

    def overtaken(batch: Batch, now: Any) -> Drained:
        if lines := next(others, None):
            theirs = Follower(backlog.directory).next(lines)
            assert theirs is not None
            store(theirs, timezone.now())
        return store(batch, now)

    monkeypatch.setattr(DRAIN, "store", overtaken)
    drain(backlog.directory)
    check(backlog)


@pytest.mark.parametrize("known", [0, 999, 1000, 1002])
def test_more_rows_than_one_statement_takes_are_put_once_wherever_one_is_known(
    new_spool: NewSpool, known: int
) -> None:
    events = [make_event() for _ in range(1003)]
    first, second = new_spool(), new_spool()
    first.end(first.begin(events[known]), events[known])
    drain(first.directory)
    for event in events:
        second.end(second.begin(event), event)
    done = drain(second.directory)
    assert (done.stored, done.duplicates) == (1002, 1)
    assert SINK.known([event.id for event in events]) == {event.id for event in events}
