"""Canaries: planted secrets, and every spelling in which one might turn up again."""

import base64
import hashlib
import html
import json
import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

LEAST = 16  # characters of a canary that count as found
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Canary:
    """`secret` is the part of `text` that nobody may know; the rest is public.

    `at_provider`: the provider may know it, as it is the provider's own key.
    """

    name: str
    text: str
    secret: bytes
    at_provider: bool = False


class Cage:
    """All canaries of one run."""

    def __init__(self) -> None:
        self.all: list[Canary] = []

    def plant(
        self, name: str, before: str = "", after: str = "", *, at_provider: bool = False
    ) -> str:
        """Makes up a new secret and returns its text."""
        secret = "".join(secrets.choice(_ALPHABET) for _ in range(28))
        text = before + secret + after
        # Foreign letters are spelled several times as long, even four of them that are shown.
        secret += after if after.isascii() else ""
        return self.add(name, text, secret, at_provider=at_provider)

    def provider_key(self, name: str, behaviour: str = "live", after: str = "") -> str:
        """A new key of the sandbox provider that makes it behave in that way."""
        return self.plant(name, f"sandbox-{behaviour}-", after, at_provider=True)

    def issued(self, name: str, text: str) -> str:
        """Takes in a key or token that Keydeck made: its prefix and id are public."""
        return self.add(name, text, text.rpartition("_")[2])

    def add(
        self, name: str, text: str, secret: str | bytes = "", *, at_provider: bool = False
    ) -> str:
        part = secret or text
        raw = part.encode() if isinstance(part, str) else part
        assert len(raw) >= LEAST, f"{name} is too short to be told from chance"
        assert all(name != canary.name for canary in self.all), f"two canaries are called {name}"
        self.all.append(Canary(name, text, raw, at_provider))
        return text

    @property
    def ours(self) -> list[Canary]:
        """Those that no provider may ever see."""
        return [canary for canary in self.all if not canary.at_provider]


@dataclass(frozen=True)
class Spelling:
    """`least` bytes in a row of `data` are a find."""

    canary: str
    way: str
    data: bytes
    least: int


def spellings(canary: Canary) -> list[Spelling]:
    """Every way to write the secret, each once."""
    found: dict[bytes, Spelling] = {}
    for way, data in _ways(canary):
        # What is left of LEAST bytes of the secret, cut anywhere.
        least = max(LEAST, LEAST * len(data) // len(canary.secret) - 3)
        if way.startswith("digest"):
            least = LEAST
        found.setdefault(data, Spelling(canary.name, way, data, min(least, len(data))))
    return list(found.values())


def _ways(canary: Canary) -> Iterator[tuple[str, bytes]]:
    raw = canary.secret
    yield "plain", raw
    yield "reversed", raw[::-1]
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    for shift in range(3):
        coded = _base64_inside(raw, shift)
        yield f"base64+{shift}", coded
        yield f"base64url+{shift}", coded.replace(b"+", b"-").replace(b"/", b"_")
    yield "percent", quote(raw, safe="").encode()
    yield "percent of all", b"".join(b"%%%02X" % byte for byte in raw)
    yield "percent of all, lower", b"".join(b"%%%02x" % byte for byte in raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return
    yield from _of_text(text)
    for algorithm in ("md5", "sha1", "sha256"):
        digest = hashlib.new(algorithm, canary.text.encode(), usedforsecurity=False)
        yield f"digest {algorithm}", digest.hexdigest().encode()
        yield f"digest {algorithm} base64", base64.b64encode(digest.digest())


def _of_text(text: str) -> Iterator[tuple[str, bytes]]:
    in_json = json.dumps(text)[1:-1]
    yield "percent, slashes kept", quote(text).encode()
    yield "JSON", in_json.encode()
    yield "JSON in JSON", json.dumps(in_json)[1:-1].encode()
    yield "PHP's JSON", in_json.replace("/", "\\/").encode()
    yield "JSON of all", "".join(f"\\u{ord(char):04x}" for char in text).encode()
    yield "HTML", html.escape(text).encode()
    yield "HTML of all", "".join(f"&#{ord(char)};" for char in text).encode()
    yield "Python", repr(text)[1:-1].encode()
    yield "UTF-16", text.encode("utf-16-le")
    yield "UTF-16, other way", text.encode("utf-16-be")


def _base64_inside(raw: bytes, shift: int) -> bytes:
    """What base64 makes of `raw` wherever it follows `shift` bytes (modulo 3) of other text."""
    coded = base64.b64encode(bytes(shift) + raw + bytes(-(shift + len(raw)) % 3))
    return coded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
