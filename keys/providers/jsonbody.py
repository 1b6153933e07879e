"""One member of a JSON body, read and written in place: every other byte stays as it was sent.

Parsing and writing again would lose large integers, and cost a copy of every uploaded image.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import orjson


class BadBody(Exception):
    """The body is not what it claims to be; the message is for the caller."""


class Member(NamedTuple):
    """Where a top-level member stands: its name's start, its value's start and end."""

    start: int
    value: int
    end: int


_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_STRING_AT = re.compile(_STRING, re.DOTALL)
_TOKEN = re.compile(_STRING + rb"|[{}\[\]]", re.DOTALL)
_CLOSED = re.compile(rb"\s*}")
_COLON = re.compile(rb"\s*:\s*")
_VALUE_END = re.compile(rb"[^,}\]\s]*")
_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")
_ESCAPED_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)++"', re.DOTALL)


def parse(body: bytes) -> Any:
    """The value of `body`; raises BadBody when it isn't JSON in UTF-8."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:  # orjson refuses what other clients send: NaN, lone surrogates
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        raise BadBody("The request body is not valid JSON") from None


def member(body: bytes, data: dict[str, Any], name: str) -> Member | None:
    """Where the top-level member `name` of `body` stands, whose value is `data`.

    Raises BadBody when there are two: the provider might take the other one.
    """
    if name not in data:
        return None
    hits = list(_spans(body, name))
    if len(hits) > 1:  # some may be nested
        depth_one = _names_at_top(body)
        hits = [hit for hit in hits if hit[0] in depth_one]
    if len(hits) > 1:
        raise BadBody(f"The request body has more than one {name!r}")
    if not hits:
        return None
    start, end = hits[0]
    colon = _COLON.match(body, end)
    value = colon.end() if colon else end
    return Member(start, value, _end_of_value(body, value))


def replace(body: bytes, found: Member, value: str) -> bytes:
    """`body` with the member's value replaced by a string."""
    return body[: found.value] + orjson.dumps(value) + body[found.end :]


def insert(body: bytes, name: str, value: str) -> bytes:
    """`body`, a JSON object without that member, with it as its first."""
    brace = body.index(b"{") + 1
    comma = b"" if _CLOSED.match(body, brace) else b","
    return body[:brace] + orjson.dumps(name) + b":" + orjson.dumps(value) + comma + body[brace:]


def remove(body: bytes, found: Member) -> bytes:
    """`body` without the member, and without the comma that it leaves."""
    head, tail = body[: found.start], body[found.end :].lstrip()
    if tail.startswith(b","):
        return head + tail[1:].lstrip()
    return head.rstrip().removesuffix(b",") + tail


def without_text(body: bytes, text: str) -> bytes:
    """`body` without `text`, also where it is spelled with escapes."""

    def plain(string: re.Match[bytes]) -> bytes:
        value: str = json.loads(string[0])
        return json.dumps(value).encode() if text in value else string[0]

    if _has_escapes(body):
        # String by string: numbers stay as they are, and no nesting is too deep.
        body = _ESCAPED_STRING.sub(plain, body)
    needle = text.encode()
    return without_bytes(body, needle) if needle in body else body


def without_bytes(body: bytes, needle: bytes) -> bytes:
    """`body` without any copy of `needle`.

    Raises BadBody when what is left closes up to another copy: nobody sends that by mistake,
    and taking out copy by copy would let one request cost minutes.
    """
    body = body.replace(needle, b"")
    if needle in body:
        raise BadBody("The request body hides a key inside a key")
    return body


def _has_escapes(body: bytes) -> bool:
    """Whether a plain character may be spelled with an escape."""
    return b"\\u00" in body and _ESCAPED_ASCII.search(body) is not None


def _spans(body: bytes, name: str) -> Iterator[tuple[int, int]]:
    """Where members called `name` are named, at any depth."""
    if _has_escapes(body):
        yield from (match.span(1) for match in _pattern(name).finditer(body))
        return
    token = orjson.dumps(name)
    start = body.find(token)
    while start >= 0:
        end = start + len(token)
        if _COLON.match(body, end) and body[max(0, start - 100) : start].rstrip()[-1:] in b"{,":
            yield start, end
        start = body.find(token, end)


@lru_cache(maxsize=64)
def _pattern(name: str) -> re.Pattern[bytes]:
    """Finds members called `name` at any depth, spelled with escapes or without.

    A quote inside a string is always preceded by a backslash, so that a brace or comma,
    blanks and a quote can't stand together in one.
    """
    spelled = b"".join(
        b"(?:%b|\\\\u00%b)" % (re.escape(char.encode()), _either_case(f"{ord(char):02x}"))
        if ord(char) < 128
        else re.escape(char.encode())
        for char in name
    )
    return re.compile(rb'[{,]\s*("' + spelled + rb'")(?=\s*:)')


def _either_case(digits: str) -> bytes:
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in digits).encode()


def _names_at_top(body: bytes) -> frozenset[int]:
    """Where strings stand directly inside the outermost object."""
    depth, found = 0, set()
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
        elif depth == 1:
            found.add(token.start())
    return frozenset(found)


def _end_of_value(body: bytes, start: int) -> int:
    text = _STRING_AT.match(body, start)
    if text:
        return text.end()
    if body[start : start + 1] not in (b"{", b"["):
        plain = _VALUE_END.match(body, start)
        return plain.end() if plain else start
    depth = 0
    for token in _TOKEN.finditer(body, start):
        first = body[token.start()]
        depth += (first in b"{[") - (first in b"}]")
        if depth == 0:
            return token.end()
    return len(body)
