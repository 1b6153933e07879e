"""Counts per minute, hour and day, and latency histograms.

Incremented by `usage.ingest` from the rows it really inserted, in the same transaction, so they
always equal what the raw calls add up to; `compare` shows that and `rebuild` makes it so.
"""

from usage.rollups.adding import increment
from usage.rollups.families import FAMILIES, Family, Table, Unanswerable, family_for, tables
from usage.rollups.histogram import (
    LAST_BUCKET,
    bucket_of,
    latency_of,
    merged,
    packed,
    quantile,
    quantiles,
    summed,
    unpacked,
)
from usage.rollups.recount import Difference, NotKept, calls_kept_since, compare, rebuild
from usage.rollups.tally import Cell, Counted, Tally

__all__ = [
    "FAMILIES",
    "LAST_BUCKET",
    "Cell",
    "Counted",
    "Difference",
    "Family",
    "NotKept",
    "Table",
    "Tally",
    "Unanswerable",
    "bucket_of",
    "calls_kept_since",
    "compare",
    "family_for",
    "increment",
    "latency_of",
    "merged",
    "packed",
    "quantile",
    "quantiles",
    "rebuild",
    "summed",
    "tables",
    "unpacked",
]
