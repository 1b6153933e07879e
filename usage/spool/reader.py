"""The reading side of a spool: complete lines from a position on, and whether the writer lives."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from usage.spool.records import BrokenLine, Record, decode

LOCK = "lock"
DRAIN_LOCK = "drain.lock"
PRIVATE = "."  # names that readers pass over
WRITER = re.compile(r"[A-Za-z0-9-]+\.[0-9a-f]{32}")  # host and UUIDv7: a spool folder's name
TAIL_BYTES = 64 * 1024
MOST_BYTES = 4096  # of a line, ordinarily


class Position(NamedTuple):
    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one segment that follow each other, without their newlines."""

    segment: int
    offset: int  # of the first
    lines: list[bytes]

    @property
    def end(self) -> Position:
        return Position(self.segment, self.offset + sum(map(len, self.lines)) + len(self.lines))


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08d}.log"


def segments(folder: Path) -> list[int]:
    """Numbers of the segments, oldest first; none when the folder is gone."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - asked several times in each drain
    except FileNotFoundError:
        return []
    return sorted(int(name[:-4]) for name in names if name.endswith(".log") and name[0] != PRIVATE)


def folders(directory: Path) -> list[Path]:
    """The spools below a spool directory."""
    try:
        return sorted(path for path in directory.iterdir() if WRITER.fullmatch(path.name))
    except FileNotFoundError:
        return []


def read(folder: Path, start: Position, limit: int) -> tuple[list[Block], Position]:
    """At most `limit` complete lines from `start` on, and the position behind them."""
    blocks: list[Block] = []
    here = start
    while limit > 0:
        # Looked up before reading: a segment that has a successor is written to its end.
        later = [number for number in segments(folder) if number > here.segment]
        block, tail = _read_segment(folder, here, limit)
        if block.lines:
            blocks.append(block)
            here = block.end
            limit -= len(block.lines)
        if tail is None:
            continue
        if not later or limit <= 0:
            break
        if tail:
            blocks.append(Block(*here, [tail]))
        here = Position(later[0], 0)
    return blocks, here


def read_rest(folder: Path, position: Position) -> bytes:
    """What follows a position behind the last whole line: a line without its end, if anything."""
    try:
        with segment_path(folder, position.segment).open("rb") as file:
            file.seek(position.offset)
            return file.read()
    except FileNotFoundError:
        return b""


def read_again(folder: Path, number: int) -> Iterator[tuple[Position, bytes]]:
    """The complete lines of a segment (or of the first behind it, if it is gone) from its head on.

    None when there is no such segment.
    """
    number = next((there for there in segments(folder) if there >= number), number)
    offset = 0
    with suppress(FileNotFoundError), segment_path(folder, number).open("rb") as file:
        for data in file:
            if data.endswith(b"\n"):
                yield Position(number, offset), data[:-1]
            offset += len(data)


def _read_segment(folder: Path, start: Position, limit: int) -> tuple[Block, bytes | None]:
    """Complete lines from a position on, and the incomplete rest; None: there may be more."""
    try:
        with segment_path(folder, start.segment).open("rb") as file:
            file.seek(start.offset)
            data = file.read(limit * MOST_BYTES)
            cut = len(data) == limit * MOST_BYTES
            if cut and b"\n" not in data:
                data += file.read()  # one line that is longer than any that a spool writes
                cut = False
    except FileNotFoundError:
        return Block(*start, []), b""
    *lines, tail = data.split(b"\n")
    return Block(*start, lines[:limit]), None if cut or len(lines) > limit else tail


def last_record(folder: Path) -> Record | None:
    """The latest whole record, read from the end of the folder's files."""
    for number in reversed(segments(folder)):
        with suppress(FileNotFoundError), segment_path(folder, number).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            for line in reversed(file.read().split(b"\n")[:-1]):
                with suppress(BrokenLine):
                    return decode(line)
    return None


def is_dead(folder: Path) -> bool:
    """True when no process holds the writer's lock."""
    with _locked(folder / LOCK, create=False) as free:
        return free


@contextmanager
def draining(folder: Path) -> Iterator[bool]:
    """Holds the folder for one drainer; gives False when another has it or it is gone."""
    with _locked(folder / DRAIN_LOCK, create=True) as free:
        yield free and folder.exists()


@contextmanager
def _locked(path: Path, *, create: bool) -> Iterator[bool]:
    try:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        yield not create  # no lock file: nobody holds it
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        # A child that was forked meanwhile has the descriptor too, and would hold on to the lock.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
