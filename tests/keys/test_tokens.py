"""The text of app keys and API tokens: a typo never reaches the database."""

import re
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keys import tokens
from keys.models.ids import new_id

ALPHABET = string.digits + string.ascii_letters


def test_an_app_key_says_its_environment_and_id() -> None:
    text = tokens.new_app_key("live", "abcDEF012345")
    assert re.fullmatch(r"kd_live_abcDEF012345_[0-9A-Za-z]{38}", text)
    assert tokens.parse_app_key(text) == tokens.ParsedKey("live", "abcDEF012345")
    with pytest.raises(ValueError, match="environment"):
        tokens.new_app_key("prod", "abcDEF012345")


def test_an_api_token_says_its_id() -> None:
    text = tokens.new_api_token("abcDEF012345")
    assert re.fullmatch(r"kdt_abcDEF012345_[0-9A-Za-z]{38}", text)
    assert tokens.parse_api_token(text) == "abcDEF012345"


def test_one_kind_is_not_the_other() -> None:
    assert tokens.parse_api_token(tokens.new_app_key("live", new_id())) is None
    assert tokens.parse_app_key(tokens.new_api_token(new_id())) is None


@given(place=st.integers(0, 58), character=st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(place: int, character: str) -> None:
    text = tokens.new_app_key("live", new_id())
    wrong = text[:place] + character + text[place + 1 :]
    assume(wrong != text)
    assert tokens.parse_app_key(wrong) is None


@given(place=st.integers(0, 56))
def test_two_neighbours_exchanged_are_noticed(place: int) -> None:
    text = tokens.new_app_key("test", new_id())
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assume(swapped != text)
    assert tokens.parse_app_key(swapped) is None


@given(st.text(max_size=80))
def test_no_other_text_is_a_key(text: str) -> None:
    assert tokens.parse_app_key(text) is None
    assert tokens.parse_api_token(text) is None


@pytest.mark.parametrize("around", ["{}\n", " {}", "{} ", "{}0", "x{}"])
def test_nothing_stands_around_a_key(around: str) -> None:
    assert tokens.parse_app_key(around.format(tokens.new_app_key("live", new_id()))) is None


def test_secrets_use_the_whole_alphabet_and_never_repeat() -> None:
    made = {tokens.new_app_key("live", "0" * 12)[21:53] for _ in range(500)}
    assert len(made) == 500
    assert set("".join(made)) == set(ALPHABET)


def test_app_keys_in_a_text_are_found_without_reading_it() -> None:
    one, two = tokens.new_app_key("live", "a" * 12), tokens.new_app_key("test", "b" * 12)
    mistyped = one[:-1] + ("0" if one[-1] != "0" else "1")
    content = f'{{"key": "{one}", "prompt": "{two}, {mistyped}, {one}x and kd_live_"}}'
    assert tokens.app_keys_in(content.encode()) == {one, two}
    assert tokens.app_keys_in((mistyped + " ").encode() * 100 + one.encode()) == set()


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Main account", False),
        ("prod-web-eu-west-1-blue-green-2026", False),
        ("3f2b8c1e-2d4a-4c6f-9b1d-0e5a7c9d8f10", False),
        ("INC-20261127 and its follow-up", False),
        ("sk-proj-abcdefghijklmnopqrst", True),
        ("was kd_live_A1b2C3d4E5f6_0123456789", True),
        ("a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6", True),
    ],
)
def test_what_looks_like_a_secret_is_told_from_words(text: str, secret: bool) -> None:
    assert tokens.looks_secret(text) is secret
