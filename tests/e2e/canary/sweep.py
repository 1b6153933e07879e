"""The search: any run of LEAST characters of any canary in any spelling, packed ones included.

Every window of the spellings is indexed, and the data is looked at in steps so that no run of
LEAST bytes can lie between two looks: one pass finds all canaries.
"""

import base64
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from tests.e2e.canary.canaries import LEAST, Canary, Spelling, spellings

WINDOW = 8
STEP = LEAST - WINDOW + 1
UNPACKED_MOST = 16 * 1024 * 1024
# zlib's two bytes, or gzip's ten and the file's name.
_PACKED = re.compile(
    rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08(?:\x00.{6}|\x08.{6}[^\x00]{0,255}\x00)", re.DOTALL
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_ESCAPED_TWICE = b"\\\\"
_BACKSLASHES = re.compile(rb"\\+")


@dataclass(frozen=True)
class Hit:
    """A find. `context` is what lies around it, for whoever has to mend the leak."""

    canary: str
    way: str
    sink: str
    context: bytes

    def __str__(self) -> str:
        return f"{self.canary} ({self.way}) in {self.sink}: …{self.context!r}…"


class Sweep:
    """Looks for all of some canaries at once."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self.spellings = [one for canary in canaries for one in spellings(canary)]
        self.swept = 0  # bytes
        self._index: dict[bytes, list[tuple[Spelling, int]]] = {}
        for spelling in self.spellings:
            for at in range(len(spelling.data) - WINDOW + 1):
                window = spelling.data[at : at + WINDOW]
                self._index.setdefault(window, []).append((spelling, at))

    def search(self, sink: str, data: bytes) -> list[Hit]:
        """Every spelling that `data` has, once."""
        found: dict[Spelling, Hit] = {}
        for layer in _layers(data):
            self.swept += len(layer)
            for spelling, at in self._finds(layer):
                context = layer[max(0, at - 80) : at + 120]
                found.setdefault(spelling, Hit(spelling.canary, spelling.way, sink, context))
        return list(found.values())

    def _finds(self, data: bytes) -> Iterator[tuple[Spelling, int]]:
        index = self._index
        for at in range(0, len(data) - WINDOW + 1, STEP):
            window = data[at : at + WINDOW]
            if window in index:
                for spelling, place in index[window]:
                    if _run(data, at, spelling.data, place) >= spelling.least:
                        yield spelling, at


def _run(data: bytes, at: int, wanted: bytes, place: int) -> int:
    """How many bytes around these two places agree."""
    start, other = at, place
    while start and other and data[start - 1] == wanted[other - 1]:
        start, other = start - 1, other - 1
    end, other = at + WINDOW, place + WINDOW
    while end < len(data) and other < len(wanted) and data[end] == wanted[other]:
        end, other = end + 1, other + 1
    return end - start


def _layers(data: bytes, depth: int = 3) -> Iterator[bytes]:
    """`data`, and what is packed, coded and escaped inside it."""
    yield data
    if not depth:
        return
    inside = list(_unpacked(data))
    coded = [_decoded(match[0]) for match in _BASE64.finditer(data)]
    inside.append(b"\n".join(coded))
    if _ESCAPED_TWICE in data:  # JSON in JSON
        inside.append(_BACKSLASHES.sub(rb"\\", data))
    for layer in inside:
        if len(layer) >= LEAST:
            yield from _layers(layer, depth - 1)


def _unpacked(data: bytes) -> Iterator[bytes]:
    """What was deflated, whole or cut off: without a look at checksums."""
    view = memoryview(data)
    for match in _PACKED.finditer(data):
        with suppress(zlib.error):
            opener = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            yield opener.decompress(view[match.end() :], UNPACKED_MOST)


def _decoded(text: bytes) -> bytes:
    """Base64 of either alphabet, padded or not."""
    whole = text[:-1] if len(text) % 4 == 1 else text
    return base64.urlsafe_b64decode(whole.translate(_URL_SAFE) + b"==")
