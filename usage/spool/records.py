"""One line of a spool: CRC32 in hex, a space, JSON `[kind, number, highest, event]`.

`highest` is the highest call number given out when the line was written, so that the last
line alone tells how many calls a spool has accepted.
"""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

from usage.events import CallEvent

START = "s"
END = "e"


class BrokenLine(ValueError):
    """A line that is not what a spool wrote."""


@dataclass(frozen=True, slots=True)
class Record:
    kind: str
    number: int
    highest: int
    event: dict[str, Any]


def encode(kind: str, number: int, highest: int, event: CallEvent) -> bytes:
    try:
        body = orjson.dumps((kind, number, highest, event))
    except orjson.JSONEncodeError:
        # A header decoded with surrogates can't be UTF-8; a call is worth more than its spelling.
        body = orjson.dumps((kind, number, highest, _printable(event)))
    return b"%08x %b\n" % (crc32(body), body)


def decode(line: bytes) -> Record:
    """Reads a line without its newline. Raises BrokenLine."""
    body = line[9:]
    if line[8:9] != b" " or b"%08x" % crc32(body) != line[:8]:
        raise BrokenLine("checksum does not match")
    try:
        kind, number, highest, event = orjson.loads(body)
    except ValueError as error:
        raise BrokenLine(f"not a spool record: {error}") from error
    if kind not in (START, END) or type(number) is not int or type(highest) is not int:
        raise BrokenLine("not a spool record")
    if not 0 < number <= highest or not isinstance(event, dict):
        raise BrokenLine("not a spool record")
    return Record(kind, number, highest, event)


def _printable(event: CallEvent) -> dict[str, Any]:
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in event.as_dict().items()
    }
