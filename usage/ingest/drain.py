"""Draining a spool's folder into the database, batch by batch, and trimming what is drained.

Any number of drainers may try: a lock on the folder lets one in, and the writer's row says in
the storing transaction whether the batch is the next one.
"""

import gc
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from usage import spool
from usage.ingest.follower import BATCH, Follower
from usage.ingest.kinds import Gathered
from usage.ingest.store import Batch, Drained, Moved, store
from usage.spool.reader import PRIVATE, Position, draining, is_dead, segment_path, segments

logger = logging.getLogger(__name__)

MANY = 1000  # calls of one batch
STALE_SECONDS = 600  # a private folder this old was left by a crash

_followers: dict[Path, Follower] = {}  # of living writers; one drainer at a time has a folder


def drain(folder: Path) -> Drained:
    """Stores everything that is complete in a spool's folder; of a dead writer, removes it.

    Raises database errors; the folder is then as it was.
    """
    with draining(folder) as free:
        return _drain(folder) if free else Drained(busy=True)


def drain_mine() -> Drained:
    """Drains this process's own spool, if it has one."""
    mine = flush_mine()
    return Drained() if mine is None else drain(mine.directory)


def flush_mine() -> spool.Spool | None:
    """This process's own spool, if it has one, with what an outage of the disk left in memory."""
    mine = spool.mine_if_any()
    if mine is not None:
        try:
            mine.flush()
        except spool.SpoolError as error:
            logger.warning("Spool %s: %s", mine.directory.name, error)
    return mine


def drain_dead() -> Drained:
    """Drains the spools whose process died. Raises as `drain_each`."""
    total = Drained()
    for drained in drain_each(is_dead):
        total += drained
    return total


def drain_each(wanted: Callable[[Path], bool] = Path.exists) -> Iterator[Drained]:
    """Drains the wanted spools of this machine one after the other, and sweeps up after crashes.

    Raises database errors at once. A folder that can't be read (another user's, a broken disk)
    keeps none of the others waiting: its OSError is raised at the end.
    """
    failure: OSError | None = None
    directory = Path(settings.SPOOL_DIR)
    here = spool.folders(directory)
    for gone in _followers.keys() - here:
        _followers.pop(gone, None)  # another drainer brought it home: nobody asks for it again
    for folder in here:
        try:
            if wanted(folder):
                yield drain(folder)
        except OSError as error:
            logger.error("Spool %s can't be drained: %s", folder.name, error.strerror)
            failure = failure or error
    _sweep(directory)
    if failure is not None:
        raise failure


def _drain(folder: Path) -> Drained:
    # Asked before reading: what a dead writer wrote is all there.
    dead = is_dead(folder)
    # Not kept meanwhile: where a batch is not stored, the next drain starts from what is.
    follower = _followers.pop(folder, None) or Follower(folder)
    total = Drained()
    batch = _next(follower)
    while batch is not None:
        try:
            with _uncollected(len(batch.ended)), _ahead(follower, batch) as following:
                total += store(batch, timezone.now())
        except Moved:
            follower = Follower(folder)
            batch = _next(follower)
            continue
        _trim(folder, batch.end)
        batch = following()
    if not dead:
        _followers[folder] = follower
        return total
    if not follower.closed:
        total += store(follower.last(), timezone.now())
    _remove(folder)
    return total


@contextmanager
def _ahead(follower: Follower, batch: Batch) -> Iterator[Callable[[], Batch | None]]:
    """Gives what gives the batch behind this one.

    Of a backlog it is read and gathered by a thread while this one is stored: the database does
    its part in a process of its own, or (SQLite) without Python's lock.
    """
    if not batch.full:
        yield partial(_next, follower)
        return
    with ThreadPoolExecutor(1, "read-ahead") as thread:
        yield thread.submit(_next, follower).result


def _next(follower: Follower) -> Batch | None:
    """The next batch, gathered; the follower goes on behind it before it is stored."""
    batch = follower.next(BATCH)
    if batch is not None:
        with _uncollected(len(batch.ended)):
            batch.gathered = Gathered(batch.ended, timezone.now())
        follower.advance(batch)
    return batch


@contextmanager
def _uncollected(calls: int) -> Iterator[None]:
    """No garbage collection amid many calls: it would walk them all, again and again, for nothing.

    They make no rings, and are gone at once when the batch is.
    """
    pause = calls > MANY and gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


def _trim(folder: Path, stored: Position) -> None:
    for number in segments(folder):
        if number < stored.segment:
            with suppress(FileNotFoundError):
                segment_path(folder, number).unlink()


def _remove(folder: Path) -> None:
    # Renamed first: a drainer that comes late finds no folder instead of half of one.
    gone = folder.with_name(f"{PRIVATE}{folder.name}.drained")
    try:
        folder.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        logger.warning("Drained spool %s can't be removed: %s", folder.name, error.strerror)


def _sweep(directory: Path) -> None:
    """Removes what crashes left under private names: spools never begun or already drained."""
    with suppress(FileNotFoundError):
        for path in directory.glob(f"{PRIVATE}*"):
            old = time.time() - path.stat().st_mtime > STALE_SECONDS
            if old and is_dead(path):
                shutil.rmtree(path, ignore_errors=True)
