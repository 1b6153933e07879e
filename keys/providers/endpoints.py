"""Patterns of endpoints in a provider's definition: `/v1/payouts`, `DELETE /v1/files/*`. Pure.

The segments of a pattern follow each other anywhere in a path (a front controller may stand
before it). `*` is any one segment, or a part of one; `$` at the end: nothing follows. A method
before it says that only that one is meant; GET stands for HEAD too.
"""

import re
from functools import lru_cache
from urllib.parse import unquote


def plain_segments(path: str) -> list[str]:
    """What a lenient server may read of each segment: decoded, without parameters and blanks."""
    return [segment.partition(";")[0].strip() for segment in unquote(path).split("/")[1:]]


def named(patterns: tuple[str, ...], method: str, path: str) -> bool:
    """Whether one of the patterns names this endpoint; case doesn't count."""
    if not patterns:
        return False
    return (_named_kept if len(path) <= SHORT else _named)(patterns, method, path)


def _named(patterns: tuple[str, ...], method: str, path: str) -> bool:
    wanted = _compiled(patterns, method)
    if wanted is None:
        return False
    asked = "/".join(segment for segment in plain_segments(path) if segment)
    return wanted.search(f"/{asked.lower()}") is not None


# Paths of calls are few, and one that is longer may hold an id, or a key in a wrong place.
SHORT = 40
_named_kept = lru_cache(maxsize=4096)(_named)

_SAME = {"HEAD": "GET"}


@lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...], method: str) -> re.Pattern[str] | None:
    """All that mean this method, in one: it is asked for every call."""
    method = method.upper()
    meant = ("", _SAME.get(method, method))
    parts = [pattern.rpartition(" ") for pattern in patterns]
    paths = [_expression(path) for wanted, _, path in parts if wanted in meant]
    return re.compile(f"/(?:{'|'.join(paths)})", re.DOTALL) if paths else None


def _expression(path: str) -> str:
    """Of a path, its first slash left out."""
    ends = r"\Z" if path.endswith("$") else r"(?:/|\Z)"
    segments = path.removesuffix("$").lower().split("/")[1:]
    return "/".join(map(_segment, segments)) + ends


def _segment(wanted: str) -> str:
    if wanted == "*":
        return "[^/]+"
    return "[^/]*".join(map(re.escape, wanted.split("*")))
