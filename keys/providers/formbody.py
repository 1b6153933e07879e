"""One field of a form body, url-encoded or multipart, read and written in place."""

import re
from collections.abc import Set as AbstractSet
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_plus

from keys.providers.jsonbody import BadBody

_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;,"]{1,200}))', re.IGNORECASE)
# Matched at the start of one line, so that its cost grows with the line's length alone.
_FIELD_NAME = re.compile(rb'content-disposition:[^\r\n]*?[;\s]name="?([^";\r\n]*)', re.IGNORECASE)
_PART_HEAD = 8192  # bytes; what stands before a part's value
_PIECE = 64 * 1024  # characters that are decoded at a time
_MOST_FIELDS = 1000  # of a form; each one costs time before anybody is authenticated


class Part(NamedTuple):
    """Where the value of one multipart field stands, and the bounds of its whole part."""

    start: int
    value: int
    value_end: int
    end: int


def pairs_named(text: str, name: str) -> list[str]:
    """The values of the pairs called `name` in a query string or url-encoded form, as far as a
    credential may reach."""
    if not text:
        return []
    found = (pair.partition("=") for pair in _pairs(text))
    return [unquote_plus(value[:_PIECE]) for key, _, value in found if _is_called(key, {name})]


def without_pairs(text: str, names: frozenset[str], holding: str) -> str:
    """`text` without the pairs so named, and without those that hold `holding` (if any)."""
    if not text:
        return text
    return "&".join(
        pair
        for pair in _pairs(text)
        if not _is_called(pair.partition("=")[0], names) and not (holding and holds(pair, holding))
    )


def _pairs(text: str) -> list[str]:
    if text.count("&") >= _MOST_FIELDS:
        raise BadBody(f"More than {_MOST_FIELDS} form fields or query parameters")
    return text.split("&")


def _is_called(key: str, names: AbstractSet[str]) -> bool:
    return len(key) <= _PIECE and unquote_plus(key) in names


def holds(text: str, needle: str) -> bool:
    """Whether `needle` is in `text`, as it is or percent-encoded once or twice."""
    if len(text) <= _PIECE:
        return _holds(text, needle)
    # Decoding takes eighty times the text's size. `%2541` is the longest that one byte can be.
    overlap = 5 * len(needle.encode())
    starts = range(0, len(text), _PIECE)
    return any(_holds(text[start : start + _PIECE + overlap], needle) for start in starts)


def _holds(text: str, needle: str) -> bool:
    for _ in range(2):
        if needle in text:
            return True
        if "%" not in text:
            return False
        text = unquote(text)
    return needle in text


def with_pair(text: str, name: str, value: str) -> str:
    """`text` with one more pair."""
    pair = f"{quote(name, safe='')}={quote(value, safe='')}"
    return f"{text}&{pair}" if text else pair


def boundary(content_type: str) -> bytes:
    """The delimiter between the parts; raises BadBody when the header names none."""
    match = _BOUNDARY.search(content_type)
    if not match:
        raise BadBody("The multipart body has no boundary")
    return b"--" + (match[1] or match[2]).encode("latin-1", "replace")


def part(body: bytes, delimiter: bytes, name: str) -> Part | None:
    """The multipart field `name`; raises BadBody for two."""
    found: list[Part] = []
    position = body.find(delimiter)
    for _ in range(_MOST_FIELDS):
        following = body.find(b"\r\n" + delimiter, position) if position >= 0 else -1
        if following < 0:
            break
        blank = body.find(b"\r\n\r\n", position, following + 2)
        if blank >= 0 and _field_name(body, position, blank) == name.encode():
            value = min(blank + 4, following)
            found.append(Part(position, value, following, following + 2))
        position = following + 2
    else:
        raise BadBody(f"More than {_MOST_FIELDS} parts in the multipart body")
    if len(found) > 1:
        raise BadBody(f"The request body has more than one {name!r}")
    return found[0] if found else None


def _field_name(body: bytes, start: int, end: int) -> bytes | None:
    """What the part whose head stands there is called; raises BadBody for an endless head."""
    if end - start > _PART_HEAD:
        raise BadBody("A part of the multipart body has too long a head")
    labels = map(_FIELD_NAME.match, body[start:end].split(b"\r\n"))
    return next((label[1] for label in labels if label), None)


def new_part(delimiter: bytes, name: str, value: str) -> bytes:
    """A part to put before the first delimiter."""
    head = f'\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
    return delimiter + head.encode()
