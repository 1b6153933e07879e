"""Waiting for the directory in an event loop, for WAIT at most: a database may hang."""

import asyncio
from concurrent.futures import Future
from typing import TypeVar

from django.db import Error

from keys import vault
from usage.gateway.directory import WAIT, Directory, Job, Shelf, Unavailable
from usage.gateway.errors import denial

K = TypeVar("K")
V = TypeVar("V")


async def find(directory: Directory, shelf: Shelf[K, V], name: K) -> V:
    """The entry. Raises Denial when nobody can say."""
    known = directory.known(shelf, name)
    return known.value if known is not None else await load(directory, shelf, name)


async def load(directory: Directory, shelf: Shelf[K, V], name: K) -> V:
    """An entry that isn't known. Raises Denial as `find` does."""
    return await _answer(directory.load(shelf, name))


async def run(directory: Directory, job: Job[V]) -> V:
    """What `job` finds with the directory's database. Raises Denial as `find` does."""
    return await _answer(directory.run(job))


async def _answer(future: "Future[V]") -> V:
    try:
        # Not wait_for: Python 3.11's forgets a cancellation that comes together with the answer.
        async with asyncio.timeout(WAIT):
            return await asyncio.wrap_future(future)
    except vault.VaultError as error:
        raise denial("sealed") from error
    except (Unavailable, Error, TimeoutError) as error:
        raise denial("unavailable") from error
