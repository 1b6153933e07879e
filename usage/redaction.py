"""Keeps secrets out of what is recorded and relayed: masked by value, never by pattern.

A provider's keys have no fixed look, so only the value itself is a safe thing to search for.
"""

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

MESSAGE_LIMIT = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def spellings(secret: str) -> list[str]:
    """The ways a text may carry the secret: as it is, percent-encoded, in JSON, in PHP's JSON."""
    quoted = quote(secret, safe="")
    in_json = json.dumps(secret)[1:-1]
    found = [secret, quoted, in_json, in_json.replace("/", "\\/")]
    return list(dict.fromkeys(text for text in found if text))


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret in it replaced by as many asterisks."""
    for secret in secrets:
        for spelling in spellings(secret) if secret else ():
            text = text.replace(spelling, "*" * len(spelling))
    return text


def clip(text: str, secrets: Iterable[str] = (), limit: int = MESSAGE_LIMIT) -> str:
    """One masked line of at most `limit` characters, fit for a record or a page."""
    line = _CONTROL.sub(" ", mask(text, secrets)).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def masks(secrets: Iterable[str]) -> dict[bytes, bytes]:
    """Byte replacements that mask the secrets without changing any length."""
    return {
        spelling.encode(): b"*" * len(spelling.encode())
        for secret in secrets
        if secret
        for spelling in spellings(secret)
    }


class Rewriter:
    """Replaces byte strings in a stream, also across chunks.

    Holds back only what may be the start of a match, so that a stream doesn't lag.
    """

    def __init__(self, replacements: Mapping[bytes, bytes]) -> None:
        self._replacements = dict(replacements)
        # Longest first: where one pattern starts another, the whole is meant.
        patterns = sorted(self._replacements, key=len, reverse=True)
        self._match = re.compile(b"|".join(map(re.escape, patterns))) if patterns else None
        self._longest = len(patterns[0]) if patterns else 0
        self._firsts = bytes({pattern[0] for pattern in patterns})
        self._patterns = patterns
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What of the stream so far may be passed on now."""
        if self._match is None:
            return chunk
        data = self._held + chunk if self._held else chunk
        out, end = [], 0
        for match in self._match.finditer(data):
            out += [data[end : match.start()], self._replacements[match.group()]]
            end = match.end()
        cut = self._start_of_prefix(data, end)
        self._held = data[cut:]
        if not out and cut == len(data):
            return data
        out.append(data[end:cut])
        return b"".join(out)

    def flush(self) -> bytes:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, b""
        return held

    def _start_of_prefix(self, data: bytes, end: int) -> int:
        """Where the earliest proper prefix of a pattern starts that runs to the end of `data`."""
        for position in range(max(end, len(data) - self._longest + 1), len(data)):
            if data[position] in self._firsts:
                tail = data[position:]
                if any(pattern.startswith(tail) for pattern in self._patterns):
                    return position
        return len(data)
