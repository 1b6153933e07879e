"""Limits per minute, per day and at once: the same rulings in memory and on Redis."""

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call
from tests.upstream import Upstream
from usage.limits import DAY, LEASE, MINUTE, Limiter, Limits, Memory, Redis
from usage.limits.leases import Leases
from usage.limits.windows import SLOTS

URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/5")
Backend = Memory | Redis
NOON = 20_000 * DAY + DAY / 2


@contextmanager
def redis_with_a_prefix() -> Iterator[Redis]:
    shared = Redis(URL, prefix=f"keydeck:test:{uuid.uuid4().hex}")
    yield shared
    for name in shared._redis.scan_iter(f"{shared._prefix}:*"):
        shared._redis.delete(name)
    shared.close()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "memory":
        yield Memory()
        return
    with redis_with_a_prefix() as shared:
        yield shared


def taken(backend: Backend, bounds: Limits, times: list[float]) -> list[bool]:
    return [backend.take("k", f"c{n}", bounds, at).allowed for n, at in enumerate(times)]


def test_a_minute_takes_its_limit_and_no_more(backend: Backend) -> None:
    assert taken(backend, Limits(per_minute=3), [NOON] * 5) == [True, True, True, False, False]


def test_a_refusal_says_when_to_come_back_and_means_it(backend: Backend) -> None:
    bounds = Limits(per_minute=3)
    taken(backend, bounds, [NOON + 30] * 3)
    ruling = backend.take("k", "d", bounds, NOON + 30)
    assert (ruling.code, ruling.limit, ruling.remaining) == ("rate_limited", 3, 0)
    assert ruling.reset == ruling.retry_after == pytest.approx(60)
    assert not backend.take("k", "e", bounds, NOON + 30 + ruling.retry_after - 0.5).allowed
    assert backend.take("k", "f", bounds, NOON + 30 + ruling.retry_after + 0.01).allowed


def test_a_minute_of_silence_frees_the_key(backend: Backend) -> None:
    times = [NOON + 2] * 3 + [NOON + 62] * 4
    assert taken(backend, Limits(per_minute=3), times) == [True] * 6 + [False]


def test_calls_come_back_one_by_one_as_they_came(backend: Backend) -> None:
    bounds = Limits(per_minute=2)
    assert taken(backend, bounds, [NOON, NOON + 20, NOON + 30]) == [True, True, False]
    ruling = backend.take("k", "x", bounds, NOON + 30)
    assert ruling.retry_after == pytest.approx(30)
    assert backend.take("k", "y", bounds, NOON + 60).allowed
    assert backend.take("k", "z", bounds, NOON + 60).retry_after == pytest.approx(20)


def test_no_burst_fits_around_the_turn_of_a_minute(backend: Backend) -> None:
    times = [NOON + 59] * 10 + [NOON + 61] * 10
    assert sum(taken(backend, Limits(per_minute=10), times)) == 10


def test_a_day_has_its_own_limit(backend: Backend) -> None:
    bounds = Limits(per_minute=100, per_day=2)
    assert taken(backend, bounds, [NOON, NOON + 1, NOON + 2]) == [True, True, False]
    ruling = backend.take("k", "d", bounds, NOON + 3)
    assert (ruling.code, ruling.limit) == ("quota_exceeded", 2)
    assert backend.take("k", "e", bounds, NOON + 2 * DAY).allowed


def test_calls_at_once_are_bounded_until_one_ends(backend: Backend) -> None:
    bounds = Limits(concurrency=2)
    assert taken(backend, bounds, [NOON] * 3) == [True, True, False]
    assert backend.take("k", "x", bounds, NOON).code == "concurrency_limited"
    if isinstance(backend, Memory):
        backend.release("k", "c0")
    else:
        backend.release({"c0": "k"})
    assert backend.take("k", "y", bounds, NOON).allowed


@pytest.fixture
def shared() -> Iterator[Redis]:
    with redis_with_a_prefix() as found:
        yield found


@pytest.mark.redis
def test_a_permit_that_nobody_renews_ends_within_a_minute(shared: Redis) -> None:
    bounds = Limits(concurrency=1)
    assert LEASE <= MINUTE
    assert taken(shared, bounds, [NOON, NOON, NOON + LEASE + 1]) == [True, False, True]


@pytest.mark.redis
def test_a_permit_lasts_as_long_as_its_call(shared: Redis) -> None:
    bounds, leases = Limits(concurrency=1), Leases(shared)
    assert shared.take("k", "long", bounds, NOON).allowed
    leases.hold("k", "long")
    for at in range(0, 300, 20):
        leases.tend(NOON + at)
        assert not shared.take("k", "x", bounds, NOON + at + 19).allowed
    leases.give_back("k", "long")
    leases.tend(NOON + 300)
    assert shared.take("k", "x", bounds, NOON + 300).allowed
    leases.close()


@pytest.mark.redis
def test_a_permit_that_could_not_be_given_back_is_given_back_later(
    shared: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds, leases = Limits(concurrency=1), Leases(shared)
    assert shared.take("k", "c", bounds, NOON).allowed
    leases.hold("k", "c")
    with monkeypatch.context() as blip:
        blip.setattr(shared, "_redis", redis.Redis(port=1))
        with pytest.raises(redis.RedisError):
            leases.give_back("k", "c")
    assert not shared.take("k", "d", bounds, NOON).allowed
    leases.tend(NOON)
    assert shared.take("k", "d", bounds, NOON).allowed
    leases.close()


def test_keys_do_not_share_their_limits(backend: Backend) -> None:
    bounds = Limits(per_minute=1)
    assert backend.take("a", "1", bounds, NOON).allowed
    assert backend.take("b", "2", bounds, NOON).allowed
    assert not backend.take("a", "3", bounds, NOON).allowed


def test_a_limit_of_nothing_lets_nothing_through(backend: Backend) -> None:
    ruling = backend.take("k", "1", Limits(per_minute=0), NOON)
    assert not ruling.allowed
    assert ruling.retry_after > 0


def test_threads_share_one_limit_exactly(backend: Backend) -> None:
    bounds = Limits(per_minute=50)
    allowed: list[bool] = []

    def take(name: int) -> None:
        for n in range(10):
            allowed.append(backend.take("k", f"{name}-{n}", bounds, NOON).allowed)

    threads = [threading.Thread(target=take, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 50


@given(
    limit=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 40, allow_nan=False), min_size=1, max_size=80),
)
def test_the_sliding_count_never_passes_its_limit(limit: int, gaps: list[float]) -> None:
    memory, at, allowed = Memory(), NOON, []
    for n, gap in enumerate(gaps):
        at += gap
        ruling = memory.take("k", str(n), Limits(per_minute=limit), at)
        if ruling.allowed:
            allowed.append(at)
        else:
            assert 0 < ruling.retry_after <= MINUTE
    exact_to = MINUTE / SLOTS
    for start in allowed:
        assert sum(start <= at < start + MINUTE - exact_to for at in allowed) <= limit


def test_memory_is_bounded() -> None:
    memory = Memory(size=10)
    for n in range(100):
        memory.take(f"k{n}", "c", Limits(per_minute=1), NOON)
    assert len(memory._accounts) == 10


def test_with_redis_away_the_process_counts_for_itself() -> None:
    limiter = Limiter("redis://127.0.0.1:1/0")
    bounds = Limits(per_minute=2)
    assert [limiter.take("k", str(n), bounds, NOON).allowed for n in range(3)] == [
        True,
        True,
        False,
    ]
    assert limiter.status() == "redis away, memory"
    limiter.close()


def test_the_gateway_answers_429_with_the_time_left(
    gateway: Server, application: object, provider: Upstream
) -> None:
    key = AppKeyFactory(application=application, per_minute=2)
    body = {"key": key.plaintext, "prompt": "x"}
    assert [gateway.post(TEXT2IMG, json=body).status_code for _ in range(2)] == [200, 200]
    response = gateway.post(TEXT2IMG, json=body)
    assert response.status_code == 429
    answer = response.json()
    assert answer["error"]["code"] == "rate_limited"
    assert answer["error"]["type"] == "rate_limit_error"
    assert int(response.headers["Retry-After"]) == answer["retry_after"] > 0
    assert response.headers["RateLimit-Limit"] == "2"
    assert response.headers["RateLimit-Remaining"] == "0"
    assert 0 < int(response.headers["RateLimit-Reset"]) <= 60
    assert len(provider.requests) == 2
    call = stored_call(response)
    assert (call.outcome, call.code, call.status) == ("denied", "rate_limited", 429)


def test_a_permit_comes_back_when_a_call_ends_or_its_caller_leaves(
    gateway: Server, application: object, provider: Upstream
) -> None:
    key = AppKeyFactory(application=application, concurrency=1)
    body = {"key": key.plaintext, "prompt": "x"}
    go = threading.Event()
    provider.answer(200, {"status": "success"}, wait_for=go)
    results = []
    first = threading.Thread(
        target=lambda: results.append(gateway.post(TEXT2IMG, json=body).status_code)
    )
    first.start()
    provider.wait_for_requests(1)
    response = gateway.post(TEXT2IMG, json=body)
    assert response.json()["error"]["code"] == "concurrency_limited"
    assert int(response.headers["Retry-After"]) >= 1
    go.set()
    first.join()
    assert results == [200]
    assert gateway.post(TEXT2IMG, json=body).status_code == 200
