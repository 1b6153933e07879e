"""The questions the ledger answers. Pages, REST and commands ask here and nowhere else."""

from usage.rollups import Unanswerable, quantile
from usage.stats.accounts import Ledger, Writer, ledger, stored
from usage.stats.balance import Reconciliation, Told, reconcile
from usage.stats.breakdown import Breakdown, breakdown
from usage.stats.callers import Caller, Cutover, Impact, cutover, impact
from usage.stats.counts import Group, Latency, Totals, groups, previous, totals
from usage.stats.files import FORMATS, export
from usage.stats.filters import Filter
from usage.stats.kept import not_kept
from usage.stats.quarantine import quarantined, quarantined_line
from usage.stats.quiet import Use, idle, quiet, uses
from usage.stats.ranking import ORDERS, top
from usage.stats.raw import BadCursor, Page, PassedOn, call, calls, latest_codes, passed_on
from usage.stats.reading import BREAKDOWNS, TooFine, column
from usage.stats.series import Point, series
from usage.stats.spend import Spend, spend, spend_by
from usage.stats.troubles import Trouble, troubles
from usage.stats.wanted import Wanted

__all__ = [
    "BREAKDOWNS",
    "FORMATS",
    "ORDERS",
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
    "Reconciliation",
    "Spend",
    "Told",
    "TooFine",
    "Totals",
    "Trouble",
    "Unanswerable",
    "Use",
    "Wanted",
    "Writer",
    "breakdown",
    "call",
    "calls",
    "column",
    "cutover",
    "export",
    "groups",
    "idle",
    "impact",
    "latest_codes",
    "ledger",
    "not_kept",
    "passed_on",
    "previous",
    "quantile",
    "quarantined",
    "quarantined_line",
    "quiet",
    "reconcile",
    "series",
    "spend",
    "spend_by",
    "stored",
    "top",
    "totals",
    "troubles",
    "uses",
]
