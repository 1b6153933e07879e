"""Rows of the usage app. Written by `usage.ingest` alone, read by `usage.stats`."""

from usage.models.calls import Call
from usage.models.ledger import Quarantine, SpoolWriter, StrangerCount, Trimmed
from usage.models.rollups import (
    DayLatency,
    DayRollup,
    HourLatency,
    HourRollup,
    MinuteLatency,
    MinuteRollup,
)

__all__ = [
    "Call",
    "DayLatency",
    "DayRollup",
    "HourLatency",
    "HourRollup",
    "MinuteLatency",
    "MinuteRollup",
    "Quarantine",
    "SpoolWriter",
    "StrangerCount",
    "Trimmed",
]
