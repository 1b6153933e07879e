"""Secret: plaintext that doesn't print, pickle, copy or hash."""

import copy
import json
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.vault import Secret

TEXT = "sk-live-0123456789abcdef"


@pytest.mark.parametrize(
    "shown",
    [
        repr(Secret(TEXT)),
        str(Secret(TEXT)),
        f"{Secret(TEXT)}",
        f"{Secret(TEXT)!r:>60}",
        "%s" % Secret(TEXT),  # noqa: UP031
        str([Secret(TEXT)]),
        str({"secret": Secret(TEXT)}),
    ],
)
def test_it_prints_masked(shown: str) -> None:
    assert TEXT not in shown
    assert "Secret(…cdef)" in shown


@given(st.text(max_size=7))
def test_a_short_secret_shows_nothing_of_itself(text: str) -> None:
    assert Secret(text).last4 == ""
    assert repr(Secret(text)) == "Secret(…)"


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_it_does_not_leave_the_process(leave: object) -> None:
    with pytest.raises(TypeError) as caught:
        leave(Secret(TEXT))  # type: ignore[operator]
    assert TEXT not in "".join(traceback.format_exception(caught.value))


def test_it_compares_by_value_with_its_own_kind_alone() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret(TEXT + "x")
    assert Secret(TEXT) != TEXT


def test_it_has_no_hash_and_no_attributes_to_dump() -> None:
    with pytest.raises(TypeError):
        hash(Secret(TEXT))
    with pytest.raises(TypeError):
        vars(Secret(TEXT))
