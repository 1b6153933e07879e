"""Limits per minute, per day and at once: the same rulings in memory and on Redis."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call
from tests.gateway.shared_limits import NOON, redis_with_a_prefix
from tests.upstream import Upstream
from usage.gateway.app import gateway as gateway_app
from usage.gateway.errors import denial
from usage.gateway.inbound import Receive, Scope, Send
from usage.limits import DAY, MINUTE, UNCOUNTED, Limiter, Limits, Memory, Redis, Used
from usage.limits.windows import SLOTS, WINDOWS

Backend = Memory | Redis


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "memory":
        yield Memory()
        return
    with redis_with_a_prefix() as shared:
        yield shared


def seed(backend: Backend, used: Used, at: float = NOON) -> None:
    if isinstance(backend, Memory):
        backend.seed("k", used)
    else:
        backend.seed("k", used, at)


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
    seed(backend, {1: {}})
    assert taken(backend, bounds, [NOON, NOON + 1, NOON + 2]) == [True, True, False]
    ruling = backend.take("k", "d", bounds, NOON + 3)
    assert (ruling.code, ruling.limit) == ("quota_exceeded", 2)
    assert backend.take("k", "e", bounds, NOON + 2 * DAY).allowed


def test_a_month_is_the_calendars_and_begins_anew_on_the_first(backend: Backend) -> None:
    eve = datetime(2031, 2, 28, 23, 59, 50, tzinfo=UTC).timestamp()
    bounds = Limits(per_minute=100, per_month=2)
    seed(backend, {2: {}}, eve)
    assert taken(backend, bounds, [eve, eve, eve]) == [True, True, False]
    ruling = backend.take("k", "d", bounds, eve)
    assert (ruling.code, ruling.window, ruling.limit) == ("quota_exceeded", "month", 2)
    assert ruling.reset == ruling.retry_after == 10
    assert taken(backend, bounds, [eve + 9.9, eve + 10, eve + 11, eve + 12]) == [
        False,
        True,
        True,
        False,
    ]


def test_a_day_and_a_month_count_on_from_what_the_ledger_says(backend: Backend) -> None:
    bounds = Limits(per_day=10, per_month=12)
    day, month = (window.slot(NOON) for window in WINDOWS[1:])
    assert backend.take("k", "a", bounds, NOON) is UNCOUNTED
    seed(backend, {1: {day - 59: 2, day - 3: 6}, 2: {month: 9}})
    assert taken(backend, bounds, [NOON, NOON, NOON]) == [True, True, False]
    seed(backend, {1: {day: 1}, 2: {month: 8}})  # it lags behind: nothing is handed out again
    assert backend.take("k", "b", bounds, NOON).window == "day"
    later = NOON + DAY / SLOTS  # the oldest slot is past
    assert backend.take("k", "c", bounds, later).allowed
    assert backend.take("k", "d", bounds, later).window == "month"
    seed(backend, {1: {day: 2, day - 59: 2, day - 3: 9}, 2: {month: 12}})
    assert backend.take("k", "e", Limits(per_day=20), later).remaining == 20 - 9 - 2 - 1 - 1


def test_a_limit_that_was_away_for_a_while_asks_the_ledger_again(backend: Backend) -> None:
    bounds = Limits(per_day=5)
    seed(backend, {1: {}})
    assert backend.take("k", "a", bounds, NOON).allowed
    assert backend.take("k", "b", Limits(per_minute=5), NOON).allowed
    assert backend.take("k", "c", bounds, NOON) is UNCOUNTED


def test_calls_at_once_are_bounded_until_one_ends(backend: Backend) -> None:
    bounds = Limits(concurrency=2)
    assert taken(backend, bounds, [NOON] * 3) == [True, True, False]
    assert backend.take("k", "x", bounds, NOON).code == "concurrency_limited"
    if isinstance(backend, Memory):
        backend.release("k", "c0")
    else:
        backend.release({("k", "c0")})
    assert backend.take("k", "y", bounds, NOON).allowed


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


@pytest.mark.parametrize("chunked", [False, True])
def test_the_permit_is_back_before_the_caller_can_call_again(
    start_gateway: Callable[..., Server],
    application: object,
    provider_key: object,
    provider: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    chunked: bool,
) -> None:
    order: list[str] = []
    release = Limiter.release

    def noted(self: Limiter, *args: Any) -> None:
        release(self, *args)
        order.append("released")

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                order.append("answered")
            await send(message)

        await gateway_app(scope, receive, noting)

    monkeypatch.setattr(Limiter, "release", noted)
    kind = "text/event-stream" if chunked else "application/json"
    provider.answer(200, b"{}", headers={"Content-Type": kind})
    served, key = start_gateway(watched), AppKeyFactory(application=application, concurrency=1)
    body = {"key": key.plaintext, "prompt": "x"}
    assert served.post(TEXT2IMG, json=body).status_code == 200
    assert served.post("//x", headers={"key": key.plaintext}, json=body).status_code == 400
    monkeypatch.setattr("usage.gateway.choosing.Choice.candidate", refuse)
    assert served.post(TEXT2IMG, json=body).status_code == 503
    assert order == ["released", "answered", "answered", "released", "answered"]


def refuse(*_: object) -> None:
    raise denial("no_usable_key")


def test_every_answer_of_a_limited_key_tells_what_is_left_unless_the_provider_does(
    gateway: Server, application: object, provider: Upstream
) -> None:
    free, key = (
        AppKeyFactory(application=application),
        AppKeyFactory(application=application, per_minute=9),
    )

    def told(text: str) -> dict[str, str]:
        answer = gateway.post(TEXT2IMG, json={"key": text, "prompt": "x"})
        return {name: value for name, value in answer.headers.items() if "ratelimit" in name}

    mine = told(key.plaintext)
    assert (mine["ratelimit-limit"], mine["ratelimit-remaining"]) == ("9", "8")
    assert 0 < int(mine["ratelimit-reset"]) <= 60
    assert told(free.plaintext) == {}
    theirs = {"ratelimit-limit": "3", "ratelimit-remaining": "2"}
    provider.answer(200, {"status": "success"}, headers=theirs)
    assert told(key.plaintext) == theirs
    other = {"x-ratelimit-limit-requests": "3"}
    provider.answer(200, {"status": "success"}, headers=other)
    assert told(key.plaintext).items() > other.items()
    provider.answer(429, {"status": "error"}, headers=other)
    assert told(key.plaintext) == other
