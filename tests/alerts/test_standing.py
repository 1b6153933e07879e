"""When an alert is told: once for each firing, anew when it says something else, at its end."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from usage.alerts.standing import Standing, Told, look

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def after(minutes: int) -> datetime:
    return START + minutes * MINUTE


def test_the_first_look_that_finds_it_tells_it() -> None:
    standing, told = look(None, "dead", after(-5), START, MINUTE)
    assert told is Told.FIRED
    assert standing == Standing(after(-5), None, START, "dead")


def test_the_same_again_is_not_told() -> None:
    known = Standing(START, None, START, "dead")
    assert look(known, "dead", None, after(99), MINUTE) == (known, None)


def test_another_word_is_told_once_the_cooldown_is_over() -> None:
    known = Standing(START, None, START, "exhausted")
    assert look(known, "dead", None, after(1), 5 * MINUTE) == (known, None)
    standing, told = look(known, "dead", None, after(5), 5 * MINUTE)
    assert told is Told.CHANGED
    assert standing == Standing(START, None, after(5), "dead")


def test_its_end_is_told_if_it_was_told_itself() -> None:
    known = Standing(START, None, START, "dead")
    standing, told = look(known, "", None, after(3), 5 * MINUTE)
    assert told is Told.ENDED
    assert standing == Standing(START, after(3), START, "dead")


def test_what_fires_again_within_the_cooldown_is_kept_quiet_until_it_is_over() -> None:
    ended = Standing(START, after(1), START, "dead")
    quiet, told = look(ended, "dead", None, after(2), 5 * MINUTE)
    assert told is None
    assert quiet == Standing(after(2), None, START, "")
    assert look(quiet, "", None, after(3), 5 * MINUTE)[1] is None  # nobody heard of it
    _, told = look(quiet, "dead", None, after(5), 5 * MINUTE)
    assert told is Told.FIRED


@given(st.lists(st.sampled_from(["", "dead", "exhausted"]), max_size=60), st.integers(0, 12))
def test_any_history_is_told_as_it_went(words: list[str], cooldown: int) -> None:
    known: Standing | None = None
    heard: list[tuple[int, Told, str]] = []
    for minute, what in enumerate(words):
        known, told = look(known, what, None, after(minute), cooldown * MINUTE)
        if told:
            heard.append((minute, told, what))
        assert (known is not None and known.is_firing) == bool(what)
    alarms = [minute for minute, told, _ in heard if told is not Told.ENDED]
    assert all(b - a >= cooldown for a, b in pairwise(alarms))
    for (_, before, said), (_, now, says) in pairwise(heard):
        # Ends and firings take turns; a change follows a firing, and says something else.
        assert (now is Told.FIRED) == (before is Told.ENDED)
        assert now is not Told.CHANGED or says != said
    if cooldown == 0 and words and known is not None and known.is_firing:
        assert known.told_what == words[-1]  # whoever listens knows how it is now
