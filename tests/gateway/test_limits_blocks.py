"""Limits on Redis: blocks of calls spent without asking, and permits that live as their calls."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.shared_limits import NOON, redis_with_a_prefix
from tests.gateway.test_limits import taken
from usage.limits import LEASE, MINUTE, Limits, Redis
from usage.limits.blocks import SHARE, Blocks
from usage.limits.leases import Leases
from usage.limits.windows import SLOTS

pytestmark = pytest.mark.redis


@pytest.fixture
def shared() -> Iterator[Redis]:
    with redis_with_a_prefix() as found:
        yield found


def test_a_permit_that_nobody_renews_ends_within_a_minute(shared: Redis) -> None:
    bounds = Limits(concurrency=1)
    assert LEASE <= MINUTE
    assert taken(shared, bounds, [NOON, NOON, NOON + LEASE + 1]) == [True, False, True]


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


@dataclass
class Process:
    """Blocks as a process has them, with a clock that stands where it is put."""

    shared: Redis
    at: float = NOON
    blocks: Blocks = field(init=False)

    def __post_init__(self) -> None:
        self.blocks = Blocks(self.shared, lambda: self.at)

    def take(self, bounds: Limits, at: float) -> bool:
        self.at = at
        ruling = self.blocks.spend("k", bounds, at)
        if ruling is None:
            ruling = self.blocks.ask("k", "c", bounds, at)
        return ruling.allowed

    def unspent(self) -> int:
        return sum(block.left for block in self.blocks._blocks.values())


def test_a_call_may_hold_permits_of_several_keys(shared: Redis) -> None:
    bounds, leases = Limits(concurrency=1), Leases(shared)
    for key in ("app", "provider"):
        assert shared.take(key, "c", bounds, NOON).allowed
        leases.hold(key, "c")
    for at in range(0, 300, 20):
        leases.tend(NOON + at)
    for key in ("app", "provider"):
        assert not shared.take(key, "d", bounds, NOON + 300).allowed
        leases.give_back(key, "c")
        assert shared.take(key, "d", bounds, NOON + 300).allowed
    leases.close()


@pytest.fixture
def processes(shared: Redis) -> Iterator[list[Process]]:
    found = [Process(shared) for _ in range(3)]
    yield found
    for process in found:
        process.blocks.close()


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often anything was sent to a Redis."""
    sent: Counter[str] = Counter()
    send = redis.Connection.send_packed_command

    def count(self: redis.Connection, *args: object, **options: object) -> None:
        sent["trips"] += 1
        send(self, *args, **options)

    monkeypatch.setattr(redis.Connection, "send_packed_command", count)
    return sent


def test_most_calls_cost_no_round_trip(processes: list[Process], trips: Counter[str]) -> None:
    one, bounds = processes[0], Limits(per_minute=10_000)
    assert all(one.take(bounds, NOON + n / 1000) for n in range(200))
    assert trips["trips"] <= 15  # 1 + 2 + 4 … calls, and what a connection begins with
    before = trips["trips"]
    assert all(one.take(bounds, NOON + 1 + n / 1000) for n in range(250))
    assert trips["trips"] - before <= 2


def test_a_caller_over_its_limit_costs_no_round_trips(
    processes: list[Process], trips: Counter[str]
) -> None:
    one, bounds = processes[0], Limits(per_minute=2)
    assert [one.take(bounds, NOON) for _ in range(3)] == [True, True, False]
    before = trips["trips"]
    assert not any(one.take(bounds, NOON + n / 1000) for n in range(500))
    assert trips["trips"] == before
    assert one.take(Limits(per_minute=3), NOON)  # other limits are another question


def test_one_process_makes_every_call_of_its_limit_and_no_more(processes: list[Process]) -> None:
    one, bounds = processes[0], Limits(per_minute=500)
    allowed = [one.take(bounds, NOON + n / 100) for n in range(3000)]
    assert allowed == [True] * 500 + [False] * 2500


def test_a_block_is_a_small_part_of_the_limit_and_of_what_is_left(
    processes: list[Process],
) -> None:
    one, other, bounds = *processes[:2], Limits(per_minute=1000)
    held = []
    for n in range(900):
        assert one.take(bounds, NOON + n / 10_000)
        held.append(one.unspent() + 1)
    assert max(held) == 1000 // SHARE
    while one.take(bounds, NOON + 0.5):
        assert one.unspent() <= max(1, 100 // 10)
    assert one.unspent() == 0
    assert not other.take(bounds, NOON + 0.5)


def test_what_is_left_of_a_block_is_given_back_when_its_second_is_over(
    processes: list[Process],
) -> None:
    one, other, bounds = *processes[:2], Limits(per_minute=200)
    for n in range(20):
        one.take(bounds, NOON + n / 1000)
    held = one.unspent()
    assert held > 0
    one.blocks.tend(NOON + 1)
    assert one.unspent() == 0
    assert sum(other.take(bounds, NOON + 2) for _ in range(250)) == 180


def test_a_process_that_goes_gives_its_block_back(processes: list[Process]) -> None:
    one, other, bounds = *processes[:2], Limits(per_minute=200)
    for n in range(20):
        one.take(bounds, NOON + n / 1000)
    one.blocks.close()
    assert sum(other.take(bounds, NOON + 0.5) for _ in range(250)) == 180


def test_the_block_of_a_process_that_died_counts_until_its_slot_is_past(
    processes: list[Process],
) -> None:
    one, other, bounds = *processes[:2], Limits(per_minute=200)
    for n in range(20):
        one.take(bounds, NOON + n / 1000)
    lost = one.unspent()
    one.blocks._blocks.clear()  # as kill -9 would
    assert sum(other.take(bounds, NOON + 1) for _ in range(250)) == 180 - lost
    assert sum(other.take(bounds, NOON + MINUTE + 0.1) for _ in range(250)) == 20 + lost


@settings(deadline=None, max_examples=40)  # each asks a real Redis
@given(
    limit=st.integers(1, 120),
    calls=st.lists(
        st.tuples(st.integers(0, 2), st.floats(0, 3, allow_nan=False), st.integers(1, 30)),
        min_size=1,
        max_size=25,
    ),
)
def test_several_processes_never_make_more_calls_than_the_limit(
    limit: int, calls: list[tuple[int, float, int]]
) -> None:
    with redis_with_a_prefix() as shared:
        processes = [Process(shared) for _ in range(3)]
        bounds, at, allowed = Limits(per_minute=limit), NOON, []
        for who, gap, times in calls:
            at += gap
            for process in processes:
                process.blocks.tend(at)
            for _ in range(times):
                if processes[who].take(bounds, at):
                    allowed.append(at)
        for start in allowed:
            window = [at for at in allowed if start <= at < start + MINUTE - MINUTE / SLOTS]
            assert len(window) <= limit
        for process in processes:
            process.blocks.close()


def test_what_is_refused_too_early_is_what_other_processes_hold_unspent(
    processes: list[Process],
) -> None:
    one, two, last = processes
    bounds = Limits(per_minute=1000, per_day=400)
    shared_day = {1: dict[int, int]()}
    one.shared.seed("k", shared_day, NOON)
    made = sum(process.take(bounds, NOON) for _ in range(50) for process in (one, two))
    held = one.unspent() + two.unspent()
    assert 0 < held <= 2 * (400 // SHARE)
    while last.take(bounds, NOON + 0.5):
        made += 1
    assert made == 400 - held
    one.blocks.tend(NOON + 1)
    two.blocks.tend(NOON + 1)
    while last.take(bounds, NOON + 1):
        made += 1
    assert made == 400


def test_threads_of_several_processes_make_exactly_the_limit_between_them(
    processes: list[Process],
) -> None:
    bounds, allowed = Limits(per_minute=600), Counter[int]()

    def call(process: Process) -> None:
        for n in range(200):
            allowed[threading.get_ident()] += process.take(bounds, NOON + n / 1000)

    threads = [threading.Thread(target=call, args=(processes[n % 3],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    unspent = sum(process.unspent() for process in processes)
    assert 600 - unspent - 2 * (600 // SHARE) <= sum(allowed.values()) <= 600
