"""A spooled event, checked and clipped so that every database takes it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import reduce
from math import isfinite
from operator import or_
from typing import Any
from uuid import UUID

from usage.events import VERSION, Attempt, CallEvent, Outcome, Source
from usage.models import Call
from usage.spool.records import FIELDS, named

# Free text is cut to its column; an id that does not fit is no id.
_CLIPPED = ("method", "endpoint", "caller", "address", "user_agent", "code", "message")
_EXACT = ("application", "app_key", "provider", "provider_key")
WIDTHS: dict[str, int] = {
    name: Call._meta.get_field(name).max_length  # type: ignore[union-attr,misc]
    for name in _CLIPPED + _EXACT
}
SMALL = 2**31 - 1
_SMALL = ("app_key_version", "provider_key_version", "status", "attempts")
_BIG = ("started_at", "bytes_in", "bytes_out", "tokens_in", "tokens_out", "cost_nanos")
_LIMITS = dict.fromkeys(_SMALL, SMALL) | dict.fromkeys(_BIG, 2**53 - 1)
MOST_TRIED = 10
_DURATIONS = ("latency_ms", "first_byte_ms")
_TEXTS = ("address", "user_agent", "code", "message")
SIZES = ("bytes_in", "bytes_out", "tokens_in", "tokens_out", "cost_nanos")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_LARGE = 2**53
_SOURCES, _OUTCOMES = frozenset(map(str, Source)), frozenset(map(str, Outcome))

Values = list[Any]  # of an event, in the order of FIELDS[VERSION], enumerations as their text


def checked(data: dict[str, Any]) -> CallEvent:
    """The event of a spooled dict. Raises ValueError for what can't be stored anywhere."""
    for name, width in WIDTHS.items():
        value = data.get(name, "")
        if not isinstance(value, str):
            raise ValueError(f"{name} is not text")
        if len(value) > width:
            if name in _EXACT:
                raise ValueError(f"{name} is too long")
            data[name] = value[:width]
        if "\0" in value:
            data[name] = data[name].replace("\0", "�")
    for name, limit in _LIMITS.items():
        number = data.get(name, 0)
        if type(number) is not int or not 0 <= number <= limit:
            raise ValueError(f"{name} is out of range")
    for name in _DURATIONS:
        duration = data.get(name, 0.0)
        if type(duration) not in (int, float) or not isfinite(duration) or duration < 0:
            raise ValueError(f"{name} is out of range")
    event = CallEvent.from_dict(data)
    if len(event.tried) > MOST_TRIED or not all(map(_fits, event.tried)):
        raise ValueError("tried is out of range")
    return event


def made_to_fit(version: int, values: Values, *, aborted: bool) -> Values:
    """An event's values, text cut. Raises ValueError with the reason."""
    data = named(version, values)
    if aborted:
        data["outcome"] = Outcome.ABORTED.value
    event = checked(data)
    found = [getattr(event, name) for name in FIELDS[VERSION]]
    found[0] = str(UUID(event.id))
    found[-2] = tuple(map(asdict, event.tried))
    return [str(value) if isinstance(value, Outcome | Source) else value for value in found]


def check(columns: Mapping[str, Sequence[Any]]) -> None:
    """Whole columns of values at once. Raises ValueError and TypeError for what does not fit.

    Negative and large numbers show in the union of all.
    """
    if set(columns["v"]) != {VERSION}:
        raise ValueError("another version")
    if not all(map(_UUID, columns["id"])):
        raise ValueError("id is no UUID")
    for name in ("started_at", "attempts", *SIZES):
        if not 0 <= reduce(or_, columns[name]) < _LARGE:
            raise ValueError(f"{name} is out of range")
    for name in _DURATIONS:
        if min(columns[name]) < 0 or not all(map(isfinite, columns[name])):
            raise ValueError(f"{name} is out of range")
    for name in _TEXTS:
        "".join(columns[name])  # nothing but text can be joined
        if max(map(len, columns[name])) > WIDTHS[name]:
            raise ValueError(f"{name} is too long")
    if any(one.__class__ is not tuple for one in columns["tried"] if one):
        raise ValueError("tried was not looked at")


def check_shared(shared: dict[str, Any]) -> None:
    """The same for what many calls share."""
    for name, value in shared.items():
        if name in WIDTHS:
            good = type(value) is str and len(value) <= WIDTHS[name]
        elif name in ("source", "outcome"):
            good = value in (_SOURCES if name == "source" else _OUTCOMES)
        else:
            good = type(value) is int and 0 <= value <= SMALL
        if not good:
            raise ValueError(f"{name} does not fit")


def _fits(attempt: Attempt) -> bool:
    texts: tuple[object, ...] = (attempt.provider_key, attempt.code)
    numbers: tuple[object, ...] = (attempt.provider_key_version, attempt.status)
    if not all(type(number) is int and 0 <= number < 2**31 for number in numbers):
        return False
    return all(isinstance(text, str) and len(text) <= 60 and "\0" not in text for text in texts)


def time_of(milliseconds: int) -> datetime:
    """Raises ValueError for a time no calendar holds."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"started_at is out of range: {error}") from error


def ended_at(event: CallEvent) -> datetime:
    return time_of(event.started_at + int(event.latency_ms))
