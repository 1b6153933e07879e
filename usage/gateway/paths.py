"""The one reading of a path. What two servers could read differently is refused.

An endpoint rule is only as good as the certainty that the provider sees the same path.
"""

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from urllib.parse import unquote

from keys.providers.endpoints import plain_segments
from usage.gateway.errors import denial

PREFIX = "/gateway/"
_SLUG = re.compile(r"[A-Za-z0-9_-]{1,50}")
# Nothing encoded, no parameters, no dots alone: one meaning to every server.
_PLAIN = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+/?|/")
# Encoded dot, slash, backslash, control characters and percent signs; a stray percent sign.
_AMBIGUOUS = re.compile(
    r"%(?:2[eEfF]|5[cC]|25|[01][0-9A-Fa-f]|7[fF])|%(?![0-9A-Fa-f]{2})|[\\\x00-\x20\x7f-\U0010ffff#?]"
)


def split(raw: str) -> tuple[str, str]:
    """(provider slug, upstream path) of a raw, still encoded path below PREFIX.

    Raises Denial (bad_request) when the path is ambiguous.
    """
    return (_split_kept if len(raw) <= _SHORT else _split)(raw)


def _split(raw: str) -> tuple[str, str]:
    slug, slash, rest = raw.removeprefix(PREFIX).partition("/")
    if not slug:
        raise denial("bad_request", "Say /gateway/<provider>/<path of its API>")
    if not _SLUG.fullmatch(slug):
        raise denial("unknown_provider") if slug.isalnum() else denial("bad_request", "Bad path")
    if not rest:
        text = f"The path is missing: say /gateway/{slug}/<path of the provider's API>"
        raise denial("bad_request", text)
    return slug, check(slash + rest)


_SHORT = 60  # most paths; one with a key in it is longer
_split_kept = lru_cache(maxsize=4096)(_split)


def check(path: str) -> str:
    """The path itself when it has one meaning only. Raises Denial (bad_request)."""
    if _PLAIN.fullmatch(path):
        return path
    if not path.startswith("/") or _AMBIGUOUS.search(path):
        raise denial("bad_request", "The path is ambiguous")
    try:
        unquote(path, errors="strict")
    except UnicodeDecodeError:
        # Overlong forms of dots and slashes are no UTF-8, and some servers decode them.
        raise denial("bad_request", "The path is ambiguous") from None
    # Some servers cut parameters and blanks off before they walk a path.
    segments = plain_segments(path)
    if "" in segments[:-1] or not {".", ".."}.isdisjoint(segments):
        raise denial("bad_request", "The path is ambiguous")
    return path


def allowed(path: str, globs: tuple[str, ...]) -> bool:
    """Whether the globs match the whole decoded path; `*` also matches slashes.

    The path without its segments' parameters must match too: servers may drop them. Case
    counts, so that another spelling of an endpoint is never let through unnamed.
    """
    readings = {unquote(path), "/" + "/".join(plain_segments(path))}
    return all(any(fnmatchcase(plain, pattern) for pattern in globs) for plain in readings)
