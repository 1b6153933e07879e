"""What a quarantined line tells, as far as it can be read."""

from ast import literal_eval
from typing import Any

import orjson

from usage.spool.records import FIELDS, BrokenLine, decode


def event_of(line: str) -> dict[str, Any] | None:
    """The event that a quarantined line tells of; None where nothing can be read in it."""
    for read in (orjson.loads, literal_eval):
        try:
            found = read(line)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, dict):
            return _named(found)
    try:
        return decode(line.encode()).event
    except BrokenLine:
        return None


def _named(event: dict[str, Any]) -> dict[str, Any]:
    """An event of a version that was not known when it was quarantined, if it is by now."""
    values, names = event.get("values"), FIELDS.get(event.get("v", 0))
    if isinstance(values, list) and names:
        return dict(zip(names, values, strict=False))
    return event


def is_of(line: str, application: str) -> bool:
    """Whether a line tells of an application's call; where it can't be read: whether it may."""
    told = event_of(line)
    if told is None:
        return application in line
    if "application" in told:
        return bool(told["application"] == application)
    values = told.get("values")  # of a version that isn't known here: which is which isn't either
    return isinstance(values, list) and application in values
