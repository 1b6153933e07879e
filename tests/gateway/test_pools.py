"""Several keys of one provider: which one a call takes."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from keys.states import Verdict
from usage.gateway.pools import Rota
from usage.gateway.records import PoolKey, SealedVersion


def key(id: str, verdict: Verdict = Verdict.LIVE, **share: int) -> PoolKey:
    return PoolKey(id, "shop", "acme", verdict, SealedVersion(1, "sealed"), **share)


def taken(rota: Rota, pool: Sequence[PoolKey], calls: int) -> list[str]:
    """The keys of so many calls, one after the other."""
    ids = []
    for _ in range(calls):
        first = rota.order(tuple(pool), 0.0)[0]
        rota.begin(first)
        rota.end(first)
        ids.append(first.id)
    return ids


def test_each_key_gets_calls_by_its_weight_evenly_spread() -> None:
    ids = taken(Rota(), [key("a", weight=3), key("b", weight=1)], 40)
    assert Counter(ids) == {"a": 30, "b": 10}
    assert all("b" in ids[start : start + 4] for start in range(0, 40, 4))


@given(st.lists(st.integers(1, 100), min_size=2, max_size=5))
def test_no_key_is_ever_more_than_a_call_off_its_share(weights: list[int]) -> None:
    pool = [key(f"k{n}", weight=weight) for n, weight in enumerate(weights)]
    counts = Counter(taken(Rota(), pool, 100))
    for one in pool:
        share = 100 * one.weight / sum(weights)
        assert abs(counts[one.id] - share) <= len(pool)


def test_a_later_priority_is_asked_when_none_of_the_first_can_be_used() -> None:
    rota, first, second = Rota(), key("a"), key("b", priority=2)
    assert set(taken(rota, [second, first], 5)) == {"a"}
    rota.limited("a", 30.0, 0.0)
    assert set(taken(rota, [second, first], 5)) == {"b"}
    spent = key("a", Verdict.EXHAUSTED)
    assert taken(Rota(), [spent, second], 1) == ["b"]


def test_a_key_with_fewer_calls_under_way_for_its_weight_is_next() -> None:
    rota, a, b = Rota(), key("a", weight=2), key("b", weight=1)
    ids = []
    for _ in range(6):
        first = rota.order((a, b), 0.0)[0]
        rota.begin(first)
        ids.append(first.id)
    assert Counter(ids) == {"a": 4, "b": 2}
    for _ in range(4):
        rota.end(a)
    assert [found.id for found in rota.order((a, b), 0.0)] == ["a", "b"]


def test_a_key_that_comes_back_is_not_owed_the_calls_it_missed() -> None:
    rota, a, b = Rota(), key("a"), key("b")
    taken(rota, [a, key("c")], 50)
    assert Counter(taken(rota, [a, b], 10)) == {"a": 5, "b": 5}


def test_the_key_that_made_a_job_is_asked_whatever_its_turn() -> None:
    rota, a, b = Rota(), key("a"), key("b", priority=9)
    assert rota.order((a, b), 0.0, preferred="b")[0].id == "b"
