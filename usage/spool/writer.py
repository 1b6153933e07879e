"""The writing side of a spool: a folder of append-only segments that one process owns.

A record is one `os.write` of one whole line, so what a process has begun or ended survives
its death. The process holds a lock on the file `lock` for its life; who can take that lock
knows that the writer is dead.
"""

import errno
import fcntl
import logging
import os
import threading
import weakref
from collections import deque
from contextlib import suppress
from pathlib import Path

from usage.events import CallEvent
from usage.spool.reader import LOCK, PRIVATE, segment_path
from usage.spool.records import END, START, STILL, encode

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 4 * 1024 * 1024


class SpoolError(OSError):
    """The spool can't be written: full disk, read-only folder, closed."""


class Spool:
    """Numbers and records the calls of one process. Safe for threads; a forked child has no part.

    A start that can't be written leaves nothing behind. An end that can't be written is kept in
    memory and written before anything else once the disk allows, so an outage loses no outcome
    while the process lives.
    """

    def __init__(
        self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES, fsync: bool = False
    ) -> None:
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._fsync = fsync
        self._guard = threading.Lock()
        self._highest = 0
        self._open: dict[int, CallEvent] = {}
        self._unwritten: deque[bytes] = deque()
        self._segment = 0
        self._size = 0
        self._torn = False
        self._left = False
        self._file = self._lock = -1
        try:
            self._settle_in()
        except OSError as error:
            raise SpoolError(error.errno, f"cannot create spool: {error.strerror}") from error
        self.closed = False
        _spools.add(self)

    @property
    def open_calls(self) -> int:
        return len(self._open)

    def begin(self, event: CallEvent) -> int:
        """Records the start of a call and returns its number. Raises SpoolError."""
        with self._guard:
            self._write_ends()
            number = self._highest + 1
            self._append(encode(START, number, number, event))
            self._highest = number
            self._open[number] = event
            self._after_write()
            return number

    def end(self, number: int, event: CallEvent) -> None:
        """Records how call `number` ended; in a forked child nothing, as its parent says that.

        Raises SpoolError when that is not on disk yet, ValueError for a call that is not open.
        """
        with self._guard:
            if self._left:
                return
            if self._open.pop(number, None) is None:
                raise ValueError(f"call {number} is not open")
            self._unwritten.append(encode(END, number, self._highest, event))
            self._write_ends()
            self._after_write()

    def flush(self) -> None:
        """Tries again to write what an outage left in memory, in a folder that may be gone."""
        with self._guard:
            if not self.closed and not (self.directory / LOCK).exists():
                self._mend_folder()
            if self._unwritten:
                self._write_ends()

    def close(self) -> None:
        """Gives the spool up: from now on it counts as a dead writer's."""
        with self._guard:
            if not self.closed:
                try:
                    self._write_ends()
                finally:
                    self._release()

    def _write_ends(self) -> None:
        if self.closed:
            raise SpoolError(errno.EBADF, "spool is closed")
        while self._unwritten:
            self._append(self._unwritten[0])
            self._unwritten.popleft()

    def _append(self, line: bytes) -> None:
        """Adds one whole line, or raises SpoolError and leaves none of it."""
        try:
            if self._torn:
                self._cut_back()
            self._torn = True
            if self._fsync:
                # Readers believe a line by its end: withheld until the rest is safe.
                self._put(line[:-1])
                os.fdatasync(self._file)
                self._put(line[-1:])
            else:
                self._put(line)
        except OSError as error:
            with suppress(OSError):
                self._cut_back()
            raise SpoolError(error.errno, f"cannot write spool: {error.strerror}") from error
        self._torn = False
        self._size += len(line)

    def _put(self, data: bytes) -> None:
        if os.write(self._file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _cut_back(self) -> None:
        # Readers stop at a line without its end, so what is cut off here was never believed.
        os.ftruncate(self._file, self._size)
        self._torn = False

    def _after_write(self) -> None:
        if self._size >= self._segment_bytes:
            try:
                self._next_segment(self.directory)
            except OSError as error:
                # The present segment goes on; the next record tries again.
                logger.warning("Spool %s: no new segment: %s", self.directory.name, error.strerror)

    def _settle_in(self) -> None:
        # Under a private name until the lock is held: nobody takes a newborn spool for a dead one.
        private = self.directory.with_name(PRIVATE + self.directory.name)
        private.mkdir(parents=True, mode=0o700)
        self._take_lock(private)
        self._next_segment(private)
        private.rename(self.directory)

    def _take_lock(self, folder: Path) -> None:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = lock

    def _next_segment(self, folder: Path) -> None:
        """Starts a segment with the calls still open, so that earlier ones can be removed."""
        path = segment_path(folder, self._segment + 1)
        head = b"".join(
            encode(STILL, number, self._highest, event) for number, event in self._open.items()
        )
        private = path.with_name(PRIVATE + path.name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        file = os.open(private, flags, 0o600)
        try:
            if os.write(file, head) < len(head):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            private.rename(path)
        except OSError:
            os.close(file)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size, self._segment = file, len(head), self._segment + 1

    def _mend_folder(self) -> None:
        # Somebody removed it under us. Numbering goes on, so what went with it shows as lost.
        logger.error("Spool %s is gone; starting it again", self.directory.name)
        try:
            if self.directory.exists():
                self._take_lock(self.directory)
            else:
                self._settle_in()
        except OSError as error:
            raise SpoolError(error.errno, f"cannot create spool: {error.strerror}") from error

    def _release(self) -> None:
        self.closed = True
        os.close(self._file)
        os.close(self._lock)

    def _leave_to_parent(self) -> None:
        # Closing a copy of the descriptor keeps the parent's lock; holding it would outlive the
        # parent and hide its death.
        self._guard = threading.Lock()
        self._left = True
        self._open.clear()
        self._unwritten.clear()
        if not self.closed:
            self._release()


_spools: "weakref.WeakSet[Spool]" = weakref.WeakSet()


def _after_fork() -> None:
    for spool in list(_spools):
        spool._leave_to_parent()


os.register_at_fork(after_in_child=_after_fork)
