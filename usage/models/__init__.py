"""Rows of the usage app. Those of the ledger are written by `usage.ingest` alone, read by
`usage.stats`; alerts and hygiene are of `usage.alerts` and `usage.hygiene`."""

from usage.models.alerts import (
    AlertChannel,
    AlertDelivery,
    AlertNotice,
    AlertRule,
    AlertState,
    HygieneFinding,
)
from usage.models.arrivals import Arrival, ArrivalHead
from usage.models.calls import Call
from usage.models.erasures import Erasure
from usage.models.ledger import Comparison, Quarantine, SpoolWriter, StrangerCount, Trimmed
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
    "AlertChannel",
    "AlertDelivery",
    "AlertNotice",
    "AlertRule",
    "AlertState",
    "Arrival",
    "ArrivalHead",
    "Call",
    "CallerDay",
    "CallerHour",
    "Comparison",
    "EndpointDay",
    "EndpointDayLatency",
    "EndpointHour",
    "EndpointHourLatency",
    "EndpointMinute",
    "EndpointMinuteLatency",
    "Erasure",
    "HygieneFinding",
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
