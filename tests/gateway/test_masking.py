"""Secrets are masked by value, whatever the chunks; nothing else changes."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live import SLACK
from usage.redaction import Masker, clip, mask, mask_escaped

SECRET = "aXaXb/secret=1"
keys = st.text(alphabet="ab/=", min_size=1, max_size=6)


@given(
    secret=keys,
    pieces=st.lists(st.sampled_from(["a", "b", "/", "=", "S", "x", "%2F", "\\/"]), max_size=40),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_a_stream_masks_like_the_whole(secret: str, pieces: list[str], cuts: list[int]) -> None:
    text = "".join(secret if piece == "S" else piece for piece in pieces).encode()
    masker, out, start = Masker([secret]), b"", 0
    for cut in sorted({min(cut, len(text)) for cut in cuts} | {len(text)}):
        out += masker.feed(text[start:cut])
        start = cut
    out += masker.flush()
    assert len(out) == len(text)
    assert secret.encode() not in out
    assert all(new in (old, ord("*")) for old, new in zip(text, out, strict=True))


def test_only_what_may_begin_a_secret_is_held_back() -> None:
    masker = Masker([SECRET])
    assert masker.feed(b"data: hello\n\n") == b"data: hello\n\n"
    assert masker.feed(b"data: aXa") == b"data: "
    assert masker.feed(b"no") == b"aXano"
    assert masker.feed(b"!aXaXaXb/sec") == b"!aX"
    assert masker.feed(b"ret=1.") == b"*" * len(SECRET) + b"."


def test_other_spellings_are_masked_too() -> None:
    for spelled in ("aXaXb%2Fsecret%3D1", "aXaXb%2fsecret%3d1", "aXaXb/secret%3D1"):
        assert mask(f"a={spelled}&b", [SECRET]) == f"a={'*' * len(spelled)}&b"
    assert "secret" not in mask('{"k": "aXaXb\\/secret=1"}', [SECRET])
    assert "secret" not in mask('data: {"k": "aXaXb\\u002fsecret\\u003d1"}', ["aXaXb/secret=1"])
    assert "secret" not in mask("<p>a&amp;secret&#x27;1</p>", ["a&secret'1"])


@given(
    before=st.text(max_size=5),
    after=st.text(max_size=5),
    escaped=st.sets(st.integers(0, len(SECRET) - 1), min_size=1),
)
def test_a_secret_spelled_with_json_escapes_is_masked(
    before: str, after: str, escaped: set[int]
) -> None:
    spelled = "".join(
        f"\\u{ord(char):04x}" if n in escaped else char for n, char in enumerate(SECRET)
    )
    around = json.dumps(before)[:-1], json.dumps(after)[1:]
    body = f'{{"a\\"": 1, "k": {around[0]}{spelled}{around[1]}, "z": "\\u00e9"}}'.encode()
    masked = mask_escaped(body, [SECRET])
    assert json.loads(masked) == {
        'a"': 1, "k": before + "*" * len(SECRET) + after, "z": "é",
    }  # fmt: skip
    assert masked.endswith(b'"z": "\\u00e9"}')


@pytest.mark.parametrize(
    "body", [b'{"a": "\\u00zz"}', b'"' + b'\\"' * 100_000, b'{"a": "b\\', b'{"a": "\xff\\n"}']
)
def test_json_that_is_broken_stays_as_it_is_and_costs_one_walk(body: bytes) -> None:
    spent = time.thread_time()
    assert mask_escaped(body, [SECRET]) == body
    assert time.thread_time() - spent < SLACK  # a walk for each character takes minutes


def test_a_recorded_message_is_one_short_line() -> None:
    line = clip(f"bad\nkey {SECRET} " + "x" * 500, [SECRET])
    assert len(line) == 200
    assert "\n" not in line
    assert SECRET not in line
