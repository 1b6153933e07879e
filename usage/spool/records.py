"""One line of a spool: CRC32 in hex, a space, JSON `[kind, number, highest, version, values]`.

`highest` is the highest call number given out when the line was written, so that the last
line alone tells how many calls a spool has accepted. `values` are the event's fields in the
order of its version: naming them in every line would treble the cost of recording a call.
"""

import re
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

from usage.events import VERSION, CallEvent

START = "s"
STILL = "o"  # open when its segment was begun: the start again, in the segment's head
END = "e"
# A version's fields never change: events spooled before an upgrade are read after it.
_NAMES = CallEvent._fields
FIELDS = {
    VERSION: _NAMES,
    2: tuple(name for name in _NAMES if name != "cost_nanos"),
    1: tuple(name for name in _NAMES if name not in ("cost_nanos", "tried")),
}
_HEAD = re.compile(rb'\["([soe])",(\d{1,18}),(\d{1,18}),(\d{1,9}),\[')


class BrokenLine(ValueError):
    """A line that is not what a spool wrote."""


@dataclass(frozen=True, slots=True)
class Record:
    kind: str
    number: int
    highest: int
    event: dict[str, Any]


def encode(kind: str, number: int, highest: int, event: CallEvent) -> bytes:
    values = event[:]  # the encoder takes no tuples with names
    try:
        body = orjson.dumps((kind, number, highest, VERSION, values))
    except orjson.JSONEncodeError:
        # A header decoded with surrogates can't be UTF-8; a call is worth more than its spelling.
        body = orjson.dumps((kind, number, highest, VERSION, [_printable(v) for v in values]))
    return b"%08x %b\n" % (crc32(body), body)


def head(line: bytes) -> tuple[bytes, int, int]:
    """Kind, number and highest of a line without its newline, that is whole. Raises BrokenLine.

    Enough for a start whose end is known: most of reading a line is reading its values.
    """
    body = line[9:]
    try:
        whole = int(line[:9], 16) == crc32(body)
    except ValueError:
        whole = False
    if not whole:
        raise BrokenLine("checksum does not match")
    found = _HEAD.match(body)
    if found is None:
        raise BrokenLine("not a spool record")
    number, highest = int(found[2]), int(found[3])
    if not 0 < number <= highest:
        raise BrokenLine("not a spool record")
    return found[1], number, highest


def values_of(line: bytes) -> tuple[int, list[Any]]:
    """Version and values of a line that `head` took. Raises BrokenLine."""
    try:
        _, _, _, version, values = orjson.loads(line[9:])
    except ValueError as error:
        raise BrokenLine(f"not a spool record: {error}") from error
    return version, values


def decode(line: bytes) -> Record:
    """Reads a line without its newline. Raises BrokenLine."""
    kind, number, highest = head(line)
    return Record(kind.decode(), number, highest, named(*values_of(line)))


def named(version: Any, values: list[Any]) -> dict[str, Any]:
    """The event as a dict, or what CallEvent.from_dict refuses with a reason."""
    names = FIELDS.get(version) if isinstance(version, int) else None
    if names is None:
        return {"v": version, "values": values}
    return dict(zip(names, values, strict=False))


def _printable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
