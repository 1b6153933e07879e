"""Which key a call takes, whatever the pool: a property of every choice."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import providers, vault
from keys.states import LAST_RESORT, USABLE, Verdict
from usage.events import Outcome
from usage.gateway.choosing import MOST_ATTEMPTS, Choice
from usage.gateway.core import Judgement
from usage.gateway.permits import Permits
from usage.gateway.pools import Rota
from usage.gateway.records import Pool, PoolKey, SealedVersion
from usage.limits import Limiter, Limits

NOW = 1_000_000.0
REFUSED = Judgement(Outcome.RATE_LIMITED)
Learnt = dict[str, float | None]  # key -> seconds that its provider told to wait, or None


@pytest.fixture(scope="module", autouse=True)
def opens_everything(request: pytest.FixtureRequest) -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr("keys.vault.unseal", lambda *_: vault.Secret("opened"))
    request.addfinalizer(patch.undo)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    keys = []
    for number in range(draw(st.integers(1, 5))):
        keys.append(
            PoolKey(
                f"k{number}",
                "shop",
                "openai",
                draw(st.sampled_from(Verdict)),
                SealedVersion(1, "sealed"),
                priority=draw(st.integers(1, 3)),
                weight=draw(st.integers(1, 3)),
                limits=draw(st.none() | st.builds(Limits, concurrency=st.integers(1, 2))),
            )
        )
    return tuple(keys)


learnt = st.dictionaries(
    st.integers(0, 4).map("k{}".format), st.none() | st.floats(0.5, 400), max_size=5
)


class Driven:
    """A choice as its callers drive it."""

    def __init__(self, rota: Rota, limiter: Limiter, pool: Pool, call: str = "call") -> None:
        self._choice = Choice(rota, providers.get("openai"), pool, NOW)
        self._permits = Permits(limiter, call)
        self.refusal, self.goes_on = self._choice.refusal, self._choice.goes_on

    def next(self) -> PoolKey | None:
        self._permits.give_back()
        while (route := self._choice.candidate()) is not None:
            key = route.key
            if not key.limits or self._permits.take(key.id, key.limits, NOW).allowed:
                self._choice.takes(route)
                return key
            self._choice.full()
        return None

    def let_go(self) -> None:
        self._choice.let_go()
        self._permits.give_back()


def choice(rota: Rota, limiter: Limiter, pool: Pool, call: str = "call") -> Driven:
    return Driven(rota, limiter, pool, call)


def rota_with(told: Learnt) -> Rota:
    rota = Rota()
    for key, seconds in told.items():
        if seconds is None:
            rota.rest(key, NOW)
        else:
            rota.limited(key, seconds, NOW)
    return rota


def tried(choosing: Driven) -> list[PoolKey]:
    found = []
    while (key := choosing.next()) is not None:
        found.append(key)
    return found


@given(pools(), learnt)
def test_each_key_worth_trying_is_tried_once_and_no_other(pool: Pool, told: Learnt) -> None:
    order = tried(choice(rota_with(told), Limiter(), pool))
    worth = {
        key.id
        for key in pool
        if key.verdict in USABLE | LAST_RESORT and told.get(key.id, None) is None
    }
    assert Counter(key.id for key in order) == Counter(worth)


@given(pools(), learnt)
def test_what_is_better_comes_before_what_is_worse(pool: Pool, told: Learnt) -> None:
    def worse(key: PoolKey) -> tuple[bool, bool, int, bool]:
        out_of_credits = key.verdict in LAST_RESORT
        return out_of_credits, key.id in told, key.priority, key.verdict is not Verdict.LIVE

    order = [worse(key) for key in tried(choice(rota_with(told), Limiter(), pool))]
    assert order == sorted(order)


@given(pools(), learnt)
def test_a_refusal_says_what_the_caller_can_wait_for(pool: Pool, told: Learnt) -> None:
    refused = choice(rota_with(told), Limiter(), pool)
    if tried(refused):
        return
    usable = [key.id for key in pool if key.verdict in USABLE | LAST_RESORT]
    waits = [told[key] for key in usable]
    denial = refused.refusal()
    if waits:
        assert (denial.status, denial.code) == (429, "rate_limited")
        assert denial.retry_after == pytest.approx(min(waits))  # type: ignore[type-var]
    else:
        assert (denial.status, denial.code) == (503, "no_usable_key")


@given(pools(), st.integers(1, 12))
def test_no_key_has_more_calls_at_once_than_it_may(pool: Pool, calls: int) -> None:
    rota, limiter, under_way = Rota(), Limiter(), Counter[str]()
    begun = [choice(rota, limiter, pool, f"call {number}") for number in range(calls)]
    for one in begun:
        key = one.next()
        if key is None:
            assert one.refusal().code in ("concurrency_limited", "no_usable_key")
        else:
            under_way[key.id] += 1
    for key in pool:
        assert key.limits is None or under_way[key.id] <= (key.limits.concurrency or 0)
    for one in begun:
        one.let_go()
    again = choice(rota, limiter, pool, "another")
    assert (again.next() is None) == (not under_way)


@given(pools())
def test_a_call_is_tried_a_few_times_at_most(pool: Pool) -> None:
    choosing = choice(Rota(), Limiter(), pool)
    attempts = 0
    while choosing.next() is not None:
        attempts += 1
        if not choosing.goes_on(REFUSED):
            break
    assert attempts <= MOST_ATTEMPTS
