"""Long work in small transactions that leaves the others their turn.

SQLite has one writer at a time: who takes the next transaction at once keeps ingest waiting.
"""

from collections.abc import Callable, Iterator
from time import monotonic, sleep

REST = 2.0  # times what a part took belongs to the others


def parts(work: Callable[[], int]) -> Iterator[int]:
    """What each part of the work did, until one finds nothing to do; a rest after each."""
    while True:
        began = monotonic()
        done = work()
        took = monotonic() - began
        if not done:
            return
        yield done
        sleep(took * REST)
