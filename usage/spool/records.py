"""One line of a spool: CRC32 in hex, a space, JSON `[kind, number, highest, version, values]`.

`highest` is the highest call number given out when the line was written, so that the last
line alone tells how many calls a spool has accepted. `values` are the event's fields in the
order of its version: naming them in every line would treble the cost of recording a call.
"""

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any
from zlib import crc32

import orjson

from usage.events import VERSION, CallEvent

START = "s"
STILL = "o"  # open when its segment was begun: the start again, in the segment's head
END = "e"
# A version's fields never change: events spooled before an upgrade are read after it.
_NAMES = tuple(field.name for field in fields(CallEvent))
FIELDS = {
    VERSION: _NAMES,
    2: tuple(name for name in _NAMES if name != "cost_nanos"),
    1: tuple(name for name in _NAMES if name not in ("cost_nanos", "tried")),
}
_values = attrgetter(*FIELDS[VERSION])


class BrokenLine(ValueError):
    """A line that is not what a spool wrote."""


@dataclass(frozen=True, slots=True)
class Record:
    kind: str
    number: int
    highest: int
    event: dict[str, Any]


def encode(kind: str, number: int, highest: int, event: CallEvent) -> bytes:
    values = _values(event)
    try:
        body = orjson.dumps((kind, number, highest, VERSION, values))
    except orjson.JSONEncodeError:
        # A header decoded with surrogates can't be UTF-8; a call is worth more than its spelling.
        body = orjson.dumps((kind, number, highest, VERSION, [_printable(v) for v in values]))
    return b"%08x %b\n" % (crc32(body), body)


def decode(line: bytes) -> Record:
    """Reads a line without its newline. Raises BrokenLine."""
    body = line[9:]
    if line[8:9] != b" " or b"%08x" % crc32(body) != line[:8]:
        raise BrokenLine("checksum does not match")
    try:
        kind, number, highest, version, values = orjson.loads(body)
    except ValueError as error:
        raise BrokenLine(f"not a spool record: {error}") from error
    if kind not in (START, STILL, END) or type(number) is not int or type(highest) is not int:
        raise BrokenLine("not a spool record")
    if not 0 < number <= highest or not isinstance(values, list):
        raise BrokenLine("not a spool record")
    return Record(kind, number, highest, _named(version, values))


def _named(version: Any, values: list[Any]) -> dict[str, Any]:
    """The event as a dict, or what CallEvent.from_dict refuses with a reason."""
    names = FIELDS.get(version) if isinstance(version, int) else None
    if names is None:
        return {"v": version, "values": values}
    return dict(zip(names, values, strict=False))


def _printable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
