"""The writing side: what a process has begun or ended is on disk, whole, or not at all."""

import errno
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.conftest import make_event
from usage import spool
from usage.events import Outcome
from usage.spool import Position, Record, Spool, SpoolError, is_dead
from usage.spool.reader import draining, read, segment_path, segments
from usage.spool.records import END, FIELDS, START, STILL, BrokenLine, decode, encode

NewSpool = Callable[..., Spool]


def records(one: Spool, segment: int = 0) -> list[Record]:
    blocks, _ = read(one.directory, Position(segment, 0), 10_000)
    return [decode(line) for block in blocks for line in block.lines]


def kinds(one: Spool) -> list[tuple[str, int]]:
    return [(record.kind, record.number) for record in records(one)]


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """A full disk: the kernel takes what fits of a write and refuses the rest."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_calls_are_numbered_from_one(new_spool: NewSpool) -> None:
    one = new_spool()
    numbers = [one.begin(make_event()) for _ in range(3)]
    one.end(2, make_event())
    assert numbers == [1, 2, 3]
    assert kinds(one) == [(START, 1), (START, 2), (START, 3), (END, 2)]
    assert one.open_calls == 2


def test_a_call_ends_once(new_spool: NewSpool) -> None:
    one = new_spool()
    number = one.begin(make_event())
    one.end(number, make_event())
    with pytest.raises(ValueError, match="not open"):
        one.end(number, make_event())


def test_a_new_segment_starts_with_the_calls_still_open(new_spool: NewSpool) -> None:
    one = new_spool(segment_bytes=2000)
    first = one.begin(make_event())
    for _ in range(20):
        one.end(one.begin(make_event()), make_event())
    last = segments(one.directory)[-1]
    assert last > 5
    head = records(one, last)[0]
    assert (head.kind, head.number) == (STILL, first)


def test_a_full_disk_refuses_the_start_and_leaves_none_of_it(new_spool: NewSpool) -> None:
    one = new_spool()
    one.begin(make_event())
    size = segment_path(one.directory, 1).stat().st_size
    with files_no_longer_than(size + 50):
        with pytest.raises(SpoolError):
            one.begin(make_event())
        assert segment_path(one.directory, 1).stat().st_size == size
    assert one.begin(make_event()) == 2
    assert kinds(one) == [(START, 1), (START, 2)]


def test_an_end_that_found_no_room_is_written_before_anything_else(new_spool: NewSpool) -> None:
    one = new_spool()
    number = one.begin(make_event())
    with files_no_longer_than(segment_path(one.directory, 1).stat().st_size + 50):
        with pytest.raises(SpoolError):
            one.end(number, make_event(outcome=Outcome.OK))
        with pytest.raises(SpoolError):
            one.begin(make_event())
    one.begin(make_event())
    assert kinds(one) == [(START, 1), (END, 1), (START, 2)]


def test_what_cannot_be_synced_is_not_begun_and_not_ended(
    new_spool: NewSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = new_spool(fsync=True)
    number = one.begin(make_event())

    def refuse(_: int) -> None:
        # Nothing of a line that is not safe yet is believed.
        assert len(records(one)) == 1
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fdatasync", refuse)
        for _ in range(2):
            with pytest.raises(SpoolError):
                one.begin(make_event())
        assert one.open_calls == 1
        with pytest.raises(SpoolError):
            one.end(number, make_event())
    assert one.begin(make_event()) == 2
    assert kinds(one) == [(START, 1), (END, 1), (START, 2)]


def test_without_room_for_a_new_segment_the_present_one_goes_on(new_spool: NewSpool) -> None:
    one = new_spool(segment_bytes=1000)
    blocker = segment_path(one.directory, 2).with_name(".00000002.log")
    blocker.mkdir()
    for _ in range(5):
        one.begin(make_event())
    assert segments(one.directory) == [1]
    blocker.rmdir()
    one.begin(make_event())
    assert segments(one.directory) == [1, 2]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="cannot create spool"):
        Spool(tmp_path / "file" / spool.new_writer_id())


def test_a_removed_folder_is_made_again_with_the_open_calls(
    new_spool: NewSpool, caplog: pytest.LogCaptureFixture
) -> None:
    one = new_spool()
    one.begin(make_event())
    one.end(one.begin(make_event()), make_event())
    shutil.rmtree(one.directory)
    one.flush()
    assert "is gone" in caplog.text
    assert kinds(one) == [(STILL, 1)]
    assert one.begin(make_event()) == 3
    assert not is_dead(one.directory)


def test_the_lock_tells_the_living_from_the_dead(new_spool: NewSpool) -> None:
    one = new_spool()
    assert not is_dead(one.directory)
    one.close()
    assert is_dead(one.directory)
    with pytest.raises(SpoolError, match="closed"):
        one.begin(make_event())


def test_a_forked_child_writes_to_a_spool_of_its_own(my_spool: Spool, spools: Path) -> None:
    my_spool.begin(make_event())
    child = os.fork()
    if child == 0:
        try:
            refused = my_spool.closed
            spool.mine().begin(make_event())
            os._exit(0 if refused and spool.mine() is not my_spool else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    mine, theirs = sorted(spools.iterdir(), key=lambda path: path != my_spool.directory)
    assert not is_dead(mine)
    assert is_dead(theirs)
    assert my_spool.begin(make_event()) == 2
    assert len(records(my_spool)) == 2


def test_a_child_does_not_keep_its_parents_spool_alive(my_spool: Spool) -> None:
    folder = my_spool.directory
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    spool.close_mine()
    dead = is_dead(folder)
    os.write(done[1], b"x")
    os.waitpid(child, 0)
    for descriptor in (*ready, *done):
        os.close(descriptor)
    assert dead


def test_a_child_that_was_forked_amid_a_drain_does_not_keep_others_from_the_folder(
    my_spool: Spool,
) -> None:
    folder, done = my_spool.directory, os.pipe()
    with draining(folder) as free:
        assert free
        child = os.fork()
        if child == 0:
            os.read(done[0], 1)
            os._exit(0)
    with draining(folder) as again:
        os.write(done[1], b"x")
        os.waitpid(child, 0)
    for descriptor in done:
        os.close(descriptor)
    assert again


def test_the_writers_name_tells_host_and_time() -> None:
    name = spool.new_writer_id()
    assert spool.host_of(name)
    assert spool.started_at_of(name).year >= 2026


def test_text_that_is_no_utf8_is_recorded_all_the_same() -> None:
    line = encode(START, 1, 1, make_event(user_agent="caf\udce9"))
    assert decode(line[:-1]).event["user_agent"] == "caf?"


@given(st.binary(max_size=300))
def test_noise_is_never_taken_for_a_record(noise: bytes) -> None:
    with pytest.raises(BrokenLine):
        decode(noise)


@given(st.data())
def test_a_record_cut_or_changed_anywhere_is_refused(data: st.DataObject) -> None:
    line = encode(END, 7, 9, make_event())[:-1]
    assert decode(line).number == 7
    at = data.draw(st.integers(0, len(line) - 1))
    flip = data.draw(st.integers(1, 255))
    with pytest.raises(BrokenLine):
        decode(line[:at])
    with pytest.raises(BrokenLine):
        decode(line[:at] + bytes([line[at] ^ flip]) + line[at + 1 :])


def test_the_fields_of_a_version_never_change() -> None:
    """Spools outlive an upgrade: a new field needs a new version, and the old list stays."""
    assert FIELDS[1] == (
        *("id", "source", "application", "provider", "method", "endpoint", "started_at"),
        *("app_key", "app_key_version", "provider_key", "provider_key_version"),
        *("caller", "address", "user_agent", "outcome", "code", "message", "status"),
        *("latency_ms", "first_byte_ms", "bytes_in", "bytes_out", "tokens_in", "tokens_out"),
        *("attempts", "v"),
    )
    assert FIELDS[2] == (*FIELDS[1][:-1], "tried", "v")
    assert FIELDS[3] == (*FIELDS[1][:-2], "cost_nanos", "attempts", "tried", "v")
