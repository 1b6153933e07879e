"""Keeps secrets out of what is recorded and relayed: masked by value, never by pattern.

A provider's keys have no fixed look, so only the value itself is a safe thing to search for.
This is against a provider that quotes a key, not against a hostile one: whoever was given a
key can always spell it in a way that nobody looks for.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from html import escape
from urllib.parse import quote

MESSAGE_LIMIT = 200
_PLAIN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_MARK = re.compile(r"[^A-Za-z0-9_.~ -]")
_ENCODED = re.compile("%[0-9A-F]{2}")
# Takes an unclosed string to the end, so that no body costs more than one walk over it.
_ESCAPED_STRING = re.compile(rb'"[^"\\]*+(?:\\(?:.|\Z)[^"\\]*+)++(?:"|\Z)', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def spellings(secret: str) -> list[str]:
    """The ways a text may carry the secret: as it is, percent-encoded, in JSON with few or many
    escapes, in HTML."""
    if _PLAIN.fullmatch(secret):
        return [secret]
    quoted = [quote(secret, safe=""), quote(secret)]  # a slash may stay one
    quoted += [_ENCODED.sub(lambda byte: byte[0].lower(), text) for text in quoted]
    in_json = json.dumps(secret)[1:-1]
    careful = [_MARK.sub(_in_code(form), secret) for form in ("\\u{:04x}", "\\u{:04X}")]
    found = [secret, *quoted, in_json, in_json.replace("/", "\\/"), *careful, escape(secret)]
    return list(dict.fromkeys(text for text in found if text))


def _in_code(form: str) -> Callable[[re.Match[str]], str]:
    return lambda mark: form.format(ord(mark[0]))


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret in it replaced by as many asterisks."""
    for spelling in _spelled(secrets):
        text = text.replace(spelling, "*" * len(spelling))
    return text


def _spelled(secrets: Iterable[str]) -> list[str]:
    return [spelling for secret in secrets if secret for spelling in spellings(secret)]


def mask_escaped(body: bytes, secrets: Iterable[str]) -> bytes:
    """A whole JSON body, with the secrets masked that are spelled with escapes."""
    if b"\\" not in body:
        return body
    spelled = _spelled(secrets)  # once: a body may be nothing but short strings

    def masked(string: re.Match[bytes]) -> bytes:
        try:
            plain = json.loads(string[0].decode("utf-8", "replace"), strict=False)
        except ValueError:
            return string[0]  # broken JSON is relayed as it is
        found = plain
        for spelling in spelled:
            if spelling in found:
                found = found.replace(spelling, "*" * len(spelling))
        return string[0] if found == plain else json.dumps(found).encode()

    return _ESCAPED_STRING.sub(masked, body)


def clip(text: str, secrets: Iterable[str] = (), limit: int = MESSAGE_LIMIT) -> str:
    """One masked line of at most `limit` characters, fit for a record or a page."""
    line = _CONTROL.sub(" ", mask(text, secrets)).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


class Masker:
    """Masks secrets in a stream of bytes without changing any length, also across chunks.

    Holds back only what may be the start of a secret, so that a stream doesn't lag.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._patterns = [spelling.encode() for spelling in _spelled(secrets)]
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What of the stream so far may be passed on now."""
        data = self._held + chunk if self._held else chunk
        for pattern in self._patterns:
            if pattern in data:
                data = data.replace(pattern, b"*" * len(pattern))
        cut = self._start_of_prefix(data)
        self._held = data[cut:]
        return data[:cut] if self._held else data

    def flush(self) -> bytes:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, b""
        return held

    async def over(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A whole stream, masked."""
        async for part in parts:
            if passed := self.feed(part):
                yield passed
        if rest := self.flush():
            yield rest

    def _start_of_prefix(self, data: bytes) -> int:
        """Where the earliest proper prefix of a secret starts that runs to the end of `data`."""
        size = len(data)
        earliest = size
        for pattern in self._patterns:
            if data[-1:] not in pattern:
                continue  # as most ends of an answer
            position = data.find(pattern[:1], max(0, size - len(pattern) + 1))
            while 0 <= position < earliest:
                if pattern.startswith(data[position:]):
                    earliest = position
                    break
                position = data.find(pattern[:1], position + 1)
        return earliest
