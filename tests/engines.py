"""Which of PostgreSQL, Redis and Chromium are there; `make test` asks this before it runs.

`python -m tests.engines` says so, one line for each that doesn't; with CI=true that is a
failure.
"""

import os
import shutil
import sys
from functools import lru_cache

import psycopg
import pytest
import redis

POSTGRES = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/test")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")
CHROMIUM = shutil.which("chromium")


@lru_cache
def postgres_answers() -> bool:
    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.Error:
        return False
    return True


@lru_cache
def redis_answers() -> bool:
    with redis.Redis.from_url(REDIS, socket_connect_timeout=3) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def chromium_is_there() -> bool:
    return CHROMIUM is not None


# marker -> whether what its tests need is there, and what is said where it isn't
NEEDED = {
    "postgres": (
        postgres_answers,
        "TEST_DATABASE_URL does not answer: tests on PostgreSQL are skipped",
    ),
    "redis": (redis_answers, "TEST_REDIS_URL does not answer: tests on Redis are skipped"),
    "browser": (chromium_is_there, "Chromium is not installed: tests in a browser are skipped"),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what is marked as needing what isn't there."""
    for marker, (is_there, said) in NEEDED.items():
        if item.get_closest_marker(marker) and not is_there():
            pytest.skip(said)


def main() -> None:
    away = [said for is_there, said in NEEDED.values() if not is_there()]
    for line in away:
        sys.stdout.write(f"{line}\n")
    if away and os.environ.get("CI") == "true":
        sys.exit("CI=true needs them all")


if __name__ == "__main__":
    main()
