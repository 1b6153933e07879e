"""Rows of the usage app. Written by `usage.ingest` alone, read by `usage.stats`."""

from usage.models.arrivals import Arrival, ArrivalHead
from usage.models.calls import Call
from usage.models.erasures import Erasure
from usage.models.ledger import Quarantine, SpoolWriter, StrangerCount, Trimmed
from usage.models.rollups import (
    CallerDay,
    CallerHour,
    EndpointDay,
    EndpointDayLatency,
    EndpointHour,
    EndpointHourLatency,
    EndpointMinute,
    EndpointMinuteLatency,
    KeyDay,
    KeyDayLatency,
    KeyHour,
    KeyHourLatency,
    KeyMinute,
    KeyMinuteLatency,
)

__all__ = [
    "Arrival",
    "ArrivalHead",
    "Call",
    "CallerDay",
    "CallerHour",
    "EndpointDay",
    "EndpointDayLatency",
    "EndpointHour",
    "EndpointHourLatency",
    "EndpointMinute",
    "EndpointMinuteLatency",
    "Erasure",
    "KeyDay",
    "KeyDayLatency",
    "KeyHour",
    "KeyHourLatency",
    "KeyMinute",
    "KeyMinuteLatency",
    "Quarantine",
    "SpoolWriter",
    "StrangerCount",
    "Trimmed",
]
