"""The drainer thread: it brings calls home by itself and outlives the database."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from celery.signals import worker_ready, worker_shutdown
from django.db import OperationalError, connection, connections

from tests.gateway.serving import wait_until
from tests.ledger.conftest import make_event
from tests.live import PATIENCE
from usage import spool, tasks
from usage.ingest import drain, drainer, machine, start_drainer, stop_drainer
from usage.models import Call, KeyDay, SpoolWriter
from usage.spool import Spool

pytestmark = pytest.mark.django_db(transaction=True)
DRAIN = import_module("usage.ingest.drain")  # by its name the package has the function of it


@pytest.fixture(autouse=True)
def _fresh_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or what the machine's drainer did just now is long ago, on a machine that stood still."""
    monkeypatch.setattr(machine, "FRESH", 600.0)


def record(one: Spool, calls: int = 1) -> None:
    for _ in range(calls):
        event = make_event()
        one.end(one.begin(event), event)


@pytest.fixture
def running(my_spool: Spool) -> Iterator[None]:
    start_drainer()
    yield
    stop_drainer(PATIENCE)


def test_a_call_is_stored_without_anybody_asking(my_spool: Spool, running: None) -> None:
    record(my_spool)
    wait_until(lambda: Call.objects.count() == 1)


def test_starting_twice_is_one_thread(my_spool: Spool, running: None) -> None:
    start_drainer()
    assert sum(thread.name == "drainer" for thread in threading.enumerate()) == 1


def test_it_outlives_a_database_that_is_away(
    my_spool: Spool, running: None, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE usage_call RENAME TO usage_away")
        try:
            record(my_spool, 50)
            wait_until(lambda: "Calls stay in the spool" in caplog.text)
            record(my_spool, 50)
        finally:
            cursor.execute("ALTER TABLE usage_away RENAME TO usage_call")
    wait_until(lambda: Call.objects.count() == 100)
    wait_until(lambda: "Draining goes on" in caplog.text)
    assert KeyDay.objects.get().requests == 100


def test_it_brings_home_the_spools_of_dead_processes(
    my_spool: Spool, running: None, new_spool: Callable[..., Spool]
) -> None:
    other = new_spool()
    record(other)
    other.begin(make_event())
    other.close()
    wait_until(lambda: Call.objects.count() == 2)
    wait_until(lambda: not other.directory.exists())


def test_stopping_drains_what_is_left_and_leaves_no_folder(my_spool: Spool) -> None:
    start_drainer()
    record(my_spool, 10)
    stop_drainer(PATIENCE)
    assert Call.objects.count() == 10
    assert not my_spool.directory.exists()
    assert SpoolWriter.objects.get().closed_at is not None
    assert spool.mine() is not my_spool
    spool.mine().close()


def test_an_open_call_keeps_the_spool_when_the_drainer_stops(my_spool: Spool) -> None:
    start_drainer()
    number = my_spool.begin(make_event())
    stop_drainer(PATIENCE)
    my_spool.end(number, make_event())
    assert my_spool.directory.exists()


def test_the_machines_drainer_stores_the_calls_of_processes_that_live(
    new_spool: Callable[..., Spool],
) -> None:
    one, other = new_spool(), new_spool()
    record(one, 2)
    record(other)
    assert not machine.is_drained()
    machine.drain_all()
    assert machine.is_drained()
    assert Call.objects.count() == 3


def test_a_process_leaves_its_spool_to_the_machines_drainer_while_that_is_there(
    my_spool: Spool, spools: Path
) -> None:
    machine.drain_all()
    record(my_spool)
    mine = drainer.Drainer()
    mine.attempt()
    assert Call.objects.count() == 0
    long_ago = time.time() - machine.FRESH - 1
    os.utime(spools / "drained-at", (long_ago, long_ago))
    mine.attempt()
    assert Call.objects.count() == 1


def test_a_process_drains_by_itself_where_the_machines_drainer_fails(
    my_spool: Spool, new_spool: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise connection.Database.OperationalError("away")

    record(my_spool)
    with monkeypatch.context() as patched:
        patched.setattr(DRAIN, "drain", fail)
        theirs = drainer.Drainer()
        theirs.for_all = True
        theirs.attempt()
    assert not machine.is_drained()
    drainer.Drainer().attempt()
    assert Call.objects.count() == 1


def test_a_quiet_spool_does_not_make_a_failing_drainer_of_the_machine_look_well(
    my_spool: Spool, new_spool: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet, busy = sorted([my_spool, new_spool()], key=lambda one: one.directory)
    real = drain

    def fail_where_calls_are(folder: Path) -> object:
        if folder == busy.directory:
            raise OperationalError("away")
        return real(folder)

    machine.drain_all()
    monkeypatch.setattr(DRAIN, "drain", fail_where_calls_are)
    with pytest.raises(OperationalError):
        machine.drain_all()
    assert quiet.directory.exists()
    assert not machine.is_drained()


@pytest.mark.parametrize("which", ["drain_all", "drain_dead"])
def test_a_folder_that_cannot_be_read_keeps_none_behind_it_waiting(
    new_spool: Callable[..., Spool], which: str
) -> None:
    broken, other = sorted((new_spool(), new_spool()), key=lambda one: one.directory)
    record(broken)
    record(other)
    broken.close()
    other.close()
    lock = broken.directory / "drain.lock"
    lock.mkdir()
    with pytest.raises(OSError, match="directory"):
        getattr(machine if which == "drain_all" else DRAIN, which)()
    assert Call.objects.count() == 1
    assert not machine.is_drained()
    lock.rmdir()
    machine.drain_all()
    assert Call.objects.count() == 2


def test_the_machines_drainer_removes_what_crashes_left_of_drained_spools(spools: Path) -> None:
    old, young = spools / ".old.drained", spools / ".young.drained"
    for left in (old, young):
        left.mkdir(parents=True)
    long_ago = time.time() - DRAIN.STALE_SECONDS - 1
    os.utime(old, (long_ago, long_ago))
    machine.drain_all()
    assert (old.exists(), young.exists()) == (False, True)


def test_nothing_is_remembered_of_a_spool_that_another_process_brought_home(
    new_spool: Callable[..., Spool],
) -> None:
    theirs = new_spool()
    record(theirs)
    machine.drain_all()
    assert theirs.directory in DRAIN._followers
    theirs.close()
    shutil.rmtree(theirs.directory)
    machine.drain_all()
    assert theirs.directory not in DRAIN._followers


def test_a_celery_worker_is_the_machines_drainer(
    my_spool: Spool, new_spool: Callable[..., Spool]
) -> None:
    other = new_spool()
    start_drainer()
    worker_ready.send(sender=tasks)
    record(other)
    record(my_spool)
    wait_until(lambda: Call.objects.count() == 2)
    assert machine.is_drained()
    worker_shutdown.send(sender=None)
    assert not any(thread.name == "drainer" for thread in threading.enumerate())


def test_many_drainers_of_one_folder_store_every_call_once(
    new_spool: Callable[..., Spool],
) -> None:
    one = new_spool(segment_bytes=20_000)
    written = threading.Event()

    def keep_draining() -> None:
        try:
            while not written.is_set():
                drain(one.directory)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=keep_draining) for _ in range(3)]
    for thread in threads:
        thread.start()
    record(one, 500)
    written.set()
    for thread in threads:
        thread.join()
    drain(one.directory)
    assert Call.objects.count() == KeyDay.objects.get().requests == 500
    account = SpoolWriter.objects.get()
    assert (account.stored, account.duplicates, account.lost) == (500, 0, 0)


def test_threads_of_one_process_share_its_spool(my_spool: Spool) -> None:
    threads = [threading.Thread(target=record, args=(my_spool, 200)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drain(my_spool.directory)
    assert Call.objects.count() == SpoolWriter.objects.get().accepted == 800
