"""The questions the ledger answers. Pages, REST and commands ask here and nowhere else."""

from usage.rollups import Unanswerable, quantile
from usage.stats.accounts import Ledger, Writer, ledger, stored
from usage.stats.breakdown import Breakdown, breakdown
from usage.stats.callers import Caller, Cutover, Impact, cutover, impact
from usage.stats.counts import (
    BREAKDOWNS,
    Group,
    Latency,
    Point,
    TooFine,
    Totals,
    groups,
    series,
    totals,
)
from usage.stats.files import FORMATS, export
from usage.stats.filters import Filter
from usage.stats.quarantine import quarantined, quarantined_line
from usage.stats.raw import BadCursor, Page, PassedOn, call, calls, latest_codes, passed_on
from usage.stats.troubles import Trouble, troubles
from usage.stats.wanted import Wanted

__all__ = [
    "BREAKDOWNS",
    "FORMATS",
    "BadCursor",
    "Breakdown",
    "Caller",
    "Cutover",
    "Filter",
    "Group",
    "Impact",
    "Latency",
    "Ledger",
    "Page",
    "PassedOn",
    "Point",
    "TooFine",
    "Totals",
    "Trouble",
    "Unanswerable",
    "Wanted",
    "Writer",
    "breakdown",
    "call",
    "calls",
    "cutover",
    "export",
    "groups",
    "impact",
    "latest_codes",
    "ledger",
    "passed_on",
    "quantile",
    "quarantined",
    "quarantined_line",
    "series",
    "stored",
    "totals",
    "troubles",
]
