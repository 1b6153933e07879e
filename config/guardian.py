"""Ends the supervisor's children when the supervisor itself was killed. Standard library alone.

Reads `+pid` and `-pid` lines from stdin; its end means that the supervisor is gone, however it
went. Children lead process groups of their own, so their own children end with them.
"""

import os
import signal
import sys
import time
from contextlib import suppress

GRACE = 4.0  # seconds between asking and killing


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _alive(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except OSError:
        return False
    return True


def end(pids: set[int]) -> None:
    """Asks every group to end, kills what remains after GRACE."""
    for pid in pids:
        _send(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while any(map(_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in pids:
        _send(pid, signal.SIGKILL)


def main() -> None:
    pids: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+"):
            pids.add(pid)
        else:
            pids.discard(pid)
    end(pids)


if __name__ == "__main__":
    main()
