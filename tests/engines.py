"""Which of PostgreSQL and Redis answer; `make test` asks this before it runs.

`python -m tests.engines` says so, one line for each that doesn't; with CI=true that is a
failure.
"""

import os
import sys
from functools import lru_cache

import psycopg
import pytest
import redis

POSTGRES = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/test")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")


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


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what is marked `postgres` or `redis` where that does not answer."""
    for marker, answers in (("postgres", postgres_answers), ("redis", redis_answers)):
        if item.get_closest_marker(marker) and not answers():
            pytest.skip(f"{marker} does not answer")


def main() -> None:
    away = []
    if not postgres_answers():
        away.append("TEST_DATABASE_URL does not answer: tests on PostgreSQL are skipped")
    if not redis_answers():
        away.append("TEST_REDIS_URL does not answer: tests on Redis are skipped")
    for line in away:
        sys.stdout.write(f"{line}\n")
    if away and os.environ.get("CI") == "true":
        sys.exit("CI=true needs both")


if __name__ == "__main__":
    main()
