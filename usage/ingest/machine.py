"""One drainer for all spools of a machine, so that who answers calls need not drain as well.

A thread that drains takes the processor from its own process's calls: each time one of those
lets go of the interpreter, it waits for the drainer. A worker's drainer drains everybody's spools
and leaves the time of it in a file beside them. Where that is old, each process drains its own.
"""

import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from usage.ingest.drain import drain_each

FRESH = 3.0  # seconds for which others leave the draining to it
_MARK = "drained-at"


def drain_all() -> None:
    """Drains every spool of this machine, and says so. Raises as `drain_each`.

    Where it can't, it says so at once: a spool in which nothing is new is drained without asking
    the database, and tells nothing of the others.
    """
    try:
        for _ in drain_each():
            _note()
    except BaseException:
        with suppress(OSError):
            _mark().unlink(missing_ok=True)
        raise
    _note()


def is_drained() -> bool:
    """Whether a drainer of the whole machine was here just now."""
    try:
        noted = _mark().stat().st_mtime
    except OSError:
        return False
    return abs(time.time() - noted) < FRESH


def _note() -> None:
    mark = _mark()
    try:
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch(mode=0o600)
    except OSError:
        return  # nowhere to say it: each process drains its own


def _mark() -> Path:
    return Path(settings.SPOOL_DIR) / _MARK
