"""Which key of a pool made an asynchronous job: another account doesn't know the job's id.

Each process remembers its own in the rota. What is still waiting is kept for every process too,
in the database, so that whichever is asked for it sends the right key.
"""

import contextlib
import hashlib
from collections.abc import Iterable

from django.core.cache import cache
from django.db import Error

from keys.providers.jobs import Job
from usage.gateway.core import Route
from usage.gateway.pools import Rota

KEPT = 24 * 3600  # seconds
_MOST = 5  # ids of one request that are looked for


def learn(rota: Rota, application: str, provider: str, route: Route, job: Job | None) -> bool:
    """Remember who made the job; whether other processes should hear of it (`share`)."""
    if job is None:
        return False
    rota.remember(application, provider, job.id, route.key.id)
    return job.waiting and not route.alone


def share(application: str, provider: str, job: str, key_id: str) -> None:
    """Tell every process. With the database away this one alone knows."""
    with contextlib.suppress(Error):
        cache.add(_name(application, provider, job), key_id, KEPT)


def shared(application: str, provider: str, jobs: Iterable[str]) -> str:
    """The id of the key that made one of these jobs, as any process told; or empty."""
    with contextlib.suppress(Error):
        for job in list(jobs)[:_MOST]:
            if found := cache.get(_name(application, provider, job)):
                return str(found)
    return ""


def _name(application: str, provider: str, job: str) -> str:
    digest = hashlib.sha256(job.encode()).hexdigest()
    return f"job:{application}:{provider}:{digest}"
