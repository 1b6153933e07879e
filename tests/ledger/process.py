"""A process to be killed: `write DIRECTORY` records calls for ever, `drain DIRECTORY` drains.

The writer prints each call's id after its start and again after its end, as a caller who was
answered would know it.
"""

import os
import sys
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402

from tests.ledger.conftest import make_event  # noqa: E402
from usage import spool  # noqa: E402
from usage.events import Outcome  # noqa: E402
from usage.ingest import drain_dead, start_drainer  # noqa: E402
from usage.spool import Spool  # noqa: E402


def write(directory: Path, *, draining: bool) -> None:
    settings.SPOOL_DIR = directory
    if draining:
        one = spool.mine()
        start_drainer()
    else:
        one = Spool(directory / spool.new_writer_id(), segment_bytes=20_000)
    while True:
        event = make_event()
        number = one.begin(event._replace(outcome=Outcome.ABORTED))
        os.write(1, f"begun {event.id}\n".encode())
        one.end(number, event)
        os.write(1, f"ended {event.id}\n".encode())


def drain(directory: Path) -> None:
    settings.SPOOL_DIR = directory
    os.write(1, b"ready\n")
    drain_dead()
    os.write(1, b"done\n")


if __name__ == "__main__":
    job, where = sys.argv[1], Path(sys.argv[2])
    if job == "drain":
        drain(where)
    else:
        write(where, draining=job == "gateway")
