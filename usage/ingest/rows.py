"""A spooled event as a row of `calls`, checked and clipped so that every database takes it."""

from datetime import UTC, datetime
from math import isfinite
from typing import Any
from uuid import UUID

import orjson

from usage.events import Attempt, CallEvent
from usage.models import Call
from usage.rollups import Counted

COLUMNS = (
    "id",
    "started_at",
    "source",
    "application",
    "app_key",
    "app_key_version",
    "provider",
    "provider_key",
    "provider_key_version",
    "method",
    "endpoint",
    "caller",
    "address",
    "user_agent",
    "outcome",
    "code",
    "message",
    "status",
    "latency_ms",
    "first_byte_ms",
    "bytes_in",
    "bytes_out",
    "tokens_in",
    "tokens_out",
    "cost_nanos",
    "attempts",
    "tried",
)
# Free text is cut to its column; an id that does not fit is no id.
_CLIPPED = ("method", "endpoint", "caller", "address", "user_agent", "code", "message")
_EXACT = ("application", "app_key", "provider", "provider_key")
_WIDTHS: dict[str, int] = {
    name: Call._meta.get_field(name).max_length  # type: ignore[union-attr,misc]
    for name in _CLIPPED + _EXACT
}
_SMALL = ("app_key_version", "provider_key_version", "status", "attempts")
_BIG = ("started_at", "bytes_in", "bytes_out", "tokens_in", "tokens_out", "cost_nanos")
_LIMITS = dict.fromkeys(_SMALL, 2**31 - 1) | dict.fromkeys(_BIG, 2**53)
MOST_TRIED = 10
_DURATIONS = ("latency_ms", "first_byte_ms")


def checked(data: dict[str, Any]) -> CallEvent:
    """The event of a spooled dict. Raises ValueError for what can't be stored anywhere."""
    for name, width in _WIDTHS.items():
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


def _fits(attempt: Attempt) -> bool:
    texts: tuple[object, ...] = (attempt.provider_key, attempt.code)
    numbers: tuple[object, ...] = (attempt.provider_key_version, attempt.status)
    if not all(type(number) is int and 0 <= number < 2**31 for number in numbers):
        return False
    return all(isinstance(text, str) and len(text) <= 60 and "\0" not in text for text in texts)


def row_of(event: CallEvent) -> list[Any]:
    """The event's row in the order of COLUMNS. Raises ValueError for an impossible id or time."""
    return [
        UUID(event.id),
        time_of(event.started_at),
        event.source.value,
        event.application,
        event.app_key,
        event.app_key_version,
        event.provider,
        event.provider_key,
        event.provider_key_version,
        event.method,
        event.endpoint,
        event.caller,
        event.address,
        event.user_agent,
        event.outcome.value,
        event.code,
        event.message,
        event.status,
        event.latency_ms,
        event.first_byte_ms,
        event.bytes_in,
        event.bytes_out,
        event.tokens_in,
        event.tokens_out,
        event.cost_nanos,
        event.attempts,
        orjson.dumps(event.tried).decode() if event.tried else "",
    ]


def counted(event: CallEvent) -> Counted:
    return Counted(
        event.started_at,
        event.application,
        event.app_key,
        event.app_key_version,
        event.provider,
        event.provider_key,
        event.provider_key_version,
        event.endpoint,
        event.caller,
        event.outcome.value,
        event.status,
        event.latency_ms,
        event.bytes_in,
        event.bytes_out,
        event.tokens_in,
        event.tokens_out,
        event.cost_nanos,
    )


def time_of(milliseconds: int) -> datetime:
    """Raises ValueError for a time no calendar holds."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"started_at is out of range: {error}") from error


def ended_at(event: CallEvent) -> datetime:
    return time_of(event.started_at + int(event.latency_ms))
