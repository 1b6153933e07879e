"""The rule by which evidence becomes a verdict, at injected times."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.states import CONFIRM_AFTER, Standing, Verdict, judge

START = datetime(2026, 1, 1, tzinfo=UTC)
ANSWERS = [Verdict.LIVE, Verdict.LIMITED, Verdict.EXHAUSTED]

histories = st.lists(
    st.tuples(
        st.sampled_from(
            [*ANSWERS, Verdict.DEAD, Verdict.UNKNOWN, Verdict.UNCHECKED, Verdict.UNDECRYPTABLE]
        ),
        st.integers(0, 90),
    ),
    max_size=30,
)


@pytest.mark.parametrize("before", [Verdict.UNCHECKED, Verdict.UNKNOWN])
@pytest.mark.parametrize("answer", [*ANSWERS, Verdict.DEAD])
def test_the_first_answer_counts_at_once(before: Verdict, answer: Verdict) -> None:
    assert judge(Standing(before), answer, START).verdict is answer


@pytest.mark.parametrize("before", ANSWERS)
@pytest.mark.parametrize(
    ("seconds", "verdict"), [(1, None), (59.9, None), (60, Verdict.DEAD), (3600, Verdict.DEAD)]
)
def test_a_key_that_worked_is_dead_on_a_second_refusal_a_minute_later(
    before: Verdict, seconds: float, verdict: Verdict | None
) -> None:
    suspect = judge(Standing(before), Verdict.DEAD, START)
    assert (suspect.verdict, suspect.suspect) == (before, True)
    later = judge(suspect, Verdict.DEAD, START + timedelta(seconds=seconds))
    assert later.verdict is (verdict or before)
    assert later.suspect is (verdict is None)


def test_a_success_seen_before_the_refusal_does_not_clear_it() -> None:
    suspect = Standing(Verdict.LIVE, START)
    assert judge(suspect, Verdict.LIVE, START - timedelta(seconds=1)) == suspect
    assert judge(suspect, Verdict.LIVE, START + timedelta(seconds=1)) == Standing(Verdict.LIVE)


@given(histories)
def test_the_verdict_is_what_the_latest_answers_say(history: list[tuple[Verdict, int]]) -> None:
    standing, at = Standing(Verdict.UNCHECKED), START
    seen: list[tuple[Verdict, datetime]] = []  # determinate answers
    for meaning, pause in history:
        at += timedelta(seconds=pause)
        before, standing = standing, judge(standing, meaning, at)
        if meaning in (Verdict.UNKNOWN, Verdict.UNCHECKED):
            first = before.verdict is Verdict.UNCHECKED and meaning is Verdict.UNKNOWN
            assert standing == (Standing(Verdict.UNKNOWN) if first else before)
            continue
        seen.append((meaning, at))
        if meaning is not Verdict.DEAD:
            assert standing == Standing(meaning)
    refusals = []
    for meaning, when in reversed(seen):
        if meaning is not Verdict.DEAD:
            break
        refusals.append(when)
    if not refusals:
        assert standing.verdict is not Verdict.DEAD
        assert not standing.suspect
    elif len(refusals) == len(seen):
        assert standing.verdict is Verdict.DEAD  # never worked: the first answer decided
    else:
        confirmed = refusals[0] - refusals[-1] >= CONFIRM_AFTER
        assert (standing.verdict is Verdict.DEAD) == confirmed
        assert standing.suspect == (not confirmed)
        assert standing.refused_at == refusals[-1]


@given(histories)
def test_no_outage_however_long_moves_a_verdict(history: list[tuple[Verdict, int]]) -> None:
    standing, at = Standing(Verdict.LIVE), START
    for _, pause in history:
        at += timedelta(seconds=pause)
        standing = judge(standing, Verdict.UNKNOWN, at)
    assert standing == Standing(Verdict.LIVE)


@given(histories, st.sampled_from([*ANSWERS, Verdict.DEAD]))
def test_while_the_provider_is_in_trouble_only_a_success_moves_a_verdict(
    history: list[tuple[Verdict, int]], before: Verdict
) -> None:
    standing, at = Standing(before), START
    for meaning, pause in history:
        at += timedelta(seconds=pause)
        was, standing = standing, judge(standing, meaning, at, frozen=True)
        allowed = {was.verdict, Verdict.LIVE, Verdict.UNDECRYPTABLE}
        assert standing.verdict in allowed
        if standing.verdict is Verdict.LIVE and was.verdict is not Verdict.LIVE:
            assert meaning is Verdict.LIVE
        if meaning is Verdict.DEAD:
            assert standing.refused_at is not None or standing.verdict is Verdict.DEAD
