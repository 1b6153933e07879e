"""Which headers pass, both ways. The gateway never mixes with the admin origin (decision 15)."""

import re
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from functools import lru_cache

from usage.redaction import spellings

Pairs = list[tuple[str, str]]

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NOT_SENT = HOP_BY_HOP | {
    "accept-encoding",
    # Between the browser and us (`cors`); a provider could only refuse an origin.
    "access-control-request-headers",
    "access-control-request-method",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "origin",
    "via",
}
# Words that a server in between or a framework may believe over the request itself: another
# path, method, host or sender. Endpoint rules hold only if none of them arrives.
_OVERRIDES = re.compile(
    r"(?:http-)?x-(?:original-|rewrite-|override-|forwarded|http-(?:method|host|path|url)|method-"
    r"|host\b|ms-original-|waws-|middleware-"
    r"|real-ip|client-ip|cluster-client-ip|proxyuser-|remote-(?:addr|ip|user)|url-scheme|envoy-"
    r"|arr-)|true-client-ip|cf-connecting-"
)
_PASSED = frozenset(
    {
        "accept-ranges",
        "age",
        "allow",
        "cache-control",
        "character-cost",  # this and three more: what ElevenLabs' clients read
        "content-disposition",
        "content-language",
        "content-range",
        "content-type",
        "current-concurrent-requests",
        "deprecation",
        "etag",
        "expires",
        "history-item-id",
        "idempotency-key",
        "idempotent-replayed",
        "last-modified",
        "link",
        "location",
        "maximum-concurrent-requests",
        "mcp-protocol-version",
        "mcp-session-id",  # without it no MCP client gets behind its first call
        "original-request",
        "pragma",
        "retry-after",
        "retry-after-ms",
        "sunset",
        "vary",
        "warning",
    }
)
# Headers of the x- family that a server or a browser in between would act upon.
_ACTED_UPON = re.compile(
    r"x-(?:forwarded-|accel-|sendfile|lighttpd-|litespeed-|reproxy-|frame-options|xss-|content-"
    r"|webkit-|dns-|ua-|permitted-|powered-|real-ip|request-id|sourcemap|download-options|original-|rewrite-|http-method)"
)
# First words of headers that a browser or server acts upon: no family of a provider's, be its
# slug one of them.
_FIRST_WORDS = frozenset(
    {
        "accept",
        "access",
        "alt",
        "authentication",
        "clear",
        "client",
        "content",
        "critical",
        "cross",
        "document",
        "integrity",
        "keep",
        "no",
        "observe",
        "origin",
        "permissions",
        "proxy",
        "public",
        "refresh",
        "report",
        "reporting",
        "sec",
        "service",
        "set",
        "speculation",
        "strict",
        "supports",
        "transfer",
        "www",
    }
)
_BREAKS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# Types that a browser would run or apply, were they asked for by a page of the admin origin.
_RUNS = re.compile(rb"javascript|ecmascript|jscript|livescript|css|wasm", re.IGNORECASE)
_LINKS = (b"location", b"content-location", b"link")

FIXED: list[tuple[bytes, bytes]] = [
    (b"content-security-policy", b"sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
]


def to_provider(given: Iterable[tuple[str, str]]) -> Pairs:
    """The caller's headers that the provider gets, before the credential is put in."""
    pairs = [(name.lower(), value) for name, value in given]
    named = {
        token.strip().lower()
        for name, value in pairs
        if name == "connection"
        for token in value.split(",")
    }
    return [(name, value) for name, value in pairs if name not in named and _is_sent(name)]


def _is_sent(name: str) -> bool:
    return _is_sent_kept(name) if len(name) <= _SHORT else _is_sent_read(name)


def _is_sent_read(name: str) -> bool:
    # CGI and WSGI servers can't tell an underscore from a hyphen.
    read = name.replace("_", "-")
    return read not in _NOT_SENT and not _OVERRIDES.match(read)


# Names of headers are few, and a name that is longer may be a key in a wrong place.
_SHORT = 40
_is_sent_kept = lru_cache(maxsize=2048)(_is_sent_read)


def to_caller(
    given: Iterable[tuple[bytes, bytes]],
    slug: str,
    secrets: Iterable[str],
    rewrite: Callable[[str], str],
) -> list[tuple[bytes, bytes]]:
    """The provider's headers that the caller gets: known ones, and those of its own family.

    Content-Length isn't among them: who sends the body knows it. The provider's request id
    goes on as X-Upstream-Request-Id, since X-Request-Id is ours. Scripts and style sheets come
    as plain text: with `nosniff`, no page can run or apply them.
    """
    kept: list[tuple[bytes, bytes]] = []
    told = [
        text for secret in secrets for spelling in spellings(secret) for text in _sent(spelling)
    ]
    for raw_name, value in given:
        name = _name_for_caller(raw_name, slug, told)
        if not name:
            continue
        if _BREAKS.search(value):
            value = _BREAKS.sub(b"", value)
        for text in told:
            if text in value:
                value = value.replace(text, b"*" * len(text))
        if name in _LINKS:
            value = rewrite(value.decode("latin-1")).encode("latin-1")
            if not value:
                continue
        if name == b"content-type" and value != b"application/json":
            value = _plain_type(value)
        kept.append((name, value))
    return kept


def _plain_type(value: bytes) -> bytes:
    """A Content-Type that no browser runs or applies."""
    if _RUNS.search(value) is None:
        return value
    return b";".join(b"text/plain" if _RUNS.search(part) else part for part in value.split(b";"))


def _sent(spelling: str) -> tuple[bytes, ...]:
    """How servers send this text: those that aren't ASCII in one code or the other."""
    if spelling.isascii():
        return (spelling.encode(),)
    return spelling.encode(), spelling.encode("latin-1", "replace")


def _name_for_caller(raw_name: bytes, slug: str, told: list[bytes]) -> bytes:
    """What the header is called to the caller; empty for one that stays here."""
    renamed = _renamed_kept if len(raw_name) <= _SHORT else _renamed
    name = renamed(raw_name, slug)
    if name and any(len(text) <= len(name) and text.lower() in name for text in told):
        return b""
    return name


def _renamed(raw_name: bytes, slug: str) -> bytes:
    name = raw_name.decode("latin-1").lower()
    if name == "x-request-id":
        return b"x-upstream-request-id"
    return raw_name.lower() if _passes(name, slug) else b""


_renamed_kept = lru_cache(maxsize=4096)(_renamed)


def _passes(name: str, slug: str) -> bool:
    if name in _PASSED:
        return True
    if name.startswith("x-"):
        return not _ACTED_UPON.match(name)
    if name.startswith(f"{slug}-") and name.partition("-")[0] not in _FIRST_WORDS:
        return True
    return "ratelimit" in name or name in ("request-id", "cf-ray", "stripe-version")


def retry_after(given: Iterable[tuple[bytes, bytes]], now: float) -> float | None:
    """Seconds from `now` (epoch seconds) that the provider asks to wait, if it says so."""
    for raw_name, raw_value in given:
        name, value = raw_name.lower(), raw_value.strip()
        if name == b"retry-after-ms" and value.isdigit() and len(value) < 10:
            return int(value) / 1000
        if name == b"retry-after":
            return _seconds(value.decode("latin-1"), now)
    return None


def _seconds(value: str, now: float) -> float | None:
    """Of a number or a date (RFC 9110, 10.2.3); some providers give parts of a second."""
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def encode(pairs: Pairs) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
