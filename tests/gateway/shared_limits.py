"""Limits on a real Redis, for tests: under a prefix of their own."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from usage.limits import DAY, Redis

URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/5")
NOON = 20_000 * DAY + DAY / 2


@contextmanager
def redis_with_a_prefix() -> Iterator[Redis]:
    shared = Redis(URL, prefix=f"keydeck:test:{uuid.uuid4().hex}")
    yield shared
    for name in shared._redis.scan_iter(f"{shared._prefix}:*"):
        shared._redis.delete(name)
    shared.close()
