"""The durable spool between a call and the database (DESIGN decision 4).

    number = spool.mine().begin(event)      # before the provider is asked
    spool.mine().end(number, ended_event)   # before the end of the answer reaches the caller

`usage.ingest` drains it.
"""

import os
import re
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import uuid_utils
from django.conf import settings

from usage.spool.reader import WRITER, Position, folders, is_dead, last_record
from usage.spool.records import BrokenLine, Record
from usage.spool.writer import Spool, SpoolError

__all__ = [
    "BrokenLine",
    "Position",
    "Record",
    "Spool",
    "SpoolError",
    "close_mine",
    "folders",
    "host_of",
    "is_dead",
    "last_record",
    "mine",
    "mine_if_any",
    "started_at_of",
]

_mine: Spool | None = None
_guard = threading.Lock()


def mine() -> Spool:
    """This process's spool, made on first use. Raises SpoolError when that is impossible."""
    spool = _mine
    if spool is not None and not spool.closed:
        return spool
    return _create()


def mine_if_any() -> Spool | None:
    spool = _mine
    return None if spool is None or spool.closed else spool


def close_mine() -> Path | None:
    """Gives up this process's spool, unless calls are open in it; returns its folder if closed."""
    global _mine
    with _guard:
        spool = _mine
        if spool is None or spool.closed or spool.open_calls:
            return None
        spool.close()
        _mine = None
        return spool.directory


def _create() -> Spool:
    global _mine
    with _guard:
        if _mine is None or _mine.closed:
            _mine = Spool(Path(settings.SPOOL_DIR) / new_writer_id(), fsync=settings.SPOOL_FSYNC)
        return _mine


def new_writer_id() -> str:
    host = re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname()).strip("-")[:40] or "host"
    return f"{host}.{uuid_utils.uuid7().hex}"


def host_of(writer: str) -> str:
    return writer.partition(".")[0]


def started_at_of(writer: str) -> datetime:
    """When a writer was made: the time in its UUIDv7, or now for a name that has none."""
    if not WRITER.fullmatch(writer):
        return datetime.now(UTC)
    milliseconds = int(writer.rpartition(".")[2][:12], 16)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _after_fork() -> None:
    global _mine, _guard
    _mine, _guard = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
