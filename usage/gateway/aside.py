"""Reading and rewriting large bodies in threads of their own, so that other calls go on.

Python has one thread run at a time, but gives every one its turn; in the event loop a body of
20 MB can keep all others waiting for seconds.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

LARGE = 1024 * 1024  # bytes; less is done sooner than handed over
THREADS = 2  # apart from those that wait for Redis: they must not wait for bodies

P = ParamSpec("P")
T = TypeVar("T")

_threads: ThreadPoolExecutor | None = None


async def aside(size: int, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """What `work` returns or raises; done in a thread where it is about a large body."""
    global _threads
    if size <= LARGE:
        return work(*args, **options)
    if _threads is None:
        _threads = ThreadPoolExecutor(THREADS, "bodies")
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, lambda: work(*args, **options))


def close() -> None:
    """Ends the threads when they are done."""
    global _threads
    if _threads is not None:
        _threads.shutdown(wait=False)
        _threads = None
