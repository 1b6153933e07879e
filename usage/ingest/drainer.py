"""The thread that drains its process's spool while the process lives, whatever the database does.

It also looks after the spools of processes that died on this machine, so that a restart of one
process is enough to bring everything home. Where a worker drains for the whole machine, it rests.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from django.db import Error, connection

from usage import spool
from usage.ingest.drain import drain, drain_dead, drain_mine, flush_mine
from usage.ingest.machine import drain_all, is_drained
from usage.ingest.strangers import flush_strangers

logger = logging.getLogger(__name__)

EVERY = 0.25  # seconds
# Draining takes the calls' own processor: after a drain that took long (a busy spool has more to
# drain at once, which is cheaper for each call), this many times its time is theirs alone.
REST = 8.0
LONGEST_REST = 1.0  # seconds
EVERY_OTHERS = 2.0  # seconds between looks at spools whose process died
LONGEST_PAUSE = 5.0  # seconds between tries while the database is away


class Drainer(threading.Thread):
    """Of one process's spool, or (`for_all`) of every spool of the machine."""

    def __init__(self) -> None:
        super().__init__(name="drainer", daemon=True)
        self.for_all = False
        self._stopping = threading.Event()
        self._pause = EVERY
        self._others_at = 0.0

    def run(self) -> None:
        rest = 0.0
        while not self._stopping.wait(max(self._pause, rest)):
            started = time.thread_time()
            self.attempt()
            rest = min((time.thread_time() - started) * REST, LONGEST_REST)
        self._attempt(_finish)
        connection.close()

    def stop(self, timeout: float) -> None:
        self._stopping.set()
        self.join(timeout)

    def _tick(self) -> None:
        flush_strangers()
        if self.for_all:
            flush_mine()
            drain_all()
        elif is_drained():
            flush_mine()
        else:
            drain_mine()
            self._look_at_others()

    def _look_at_others(self) -> None:
        if time.monotonic() >= self._others_at:
            self._others_at = time.monotonic() + EVERY_OTHERS
            drain_dead()

    def attempt(self) -> None:
        """One round; what fails in it is said once, and tried again later."""
        self._attempt(self._tick)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            # The thread must outlive any fault: the spool keeps everything until it is mended.
            if self._pause == EVERY:
                fault = not isinstance(error, Error)
                logger.error("Calls stay in the spool for now: %s", error, exc_info=fault)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            connection.close()
        else:
            if self._pause != EVERY:
                logger.warning("Draining goes on")
            self._pause = EVERY


def _finish() -> None:
    drain_mine()
    flush_strangers()
    folder = spool.close_mine()
    if folder is not None:
        drain(folder)


_drainer: Drainer | None = None
_guard = threading.Lock()


def start_drainer(*, for_all: bool = False) -> None:
    """Starts this process's drainer, if it does not run yet.

    With `for_all` it drains every spool of the machine from now on.
    """
    global _drainer
    running = _drainer
    if running is None or not running.is_alive():
        with _guard:
            if _drainer is None or not _drainer.is_alive():
                _drainer = Drainer()
                _drainer.start()
            running = _drainer
    running.for_all = running.for_all or for_all


def stop_drainer(timeout: float = 5.0) -> None:
    """Drains what is left, gives the spool up and ends the thread."""
    global _drainer
    with _guard:
        running, _drainer = _drainer, None
    if running is not None and running.is_alive():
        running.stop(timeout)


def _after_fork() -> None:
    global _drainer, _guard
    _drainer, _guard = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
