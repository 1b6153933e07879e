"""Counts per minute, hour and day, and latency histograms.

Incremented by `usage.ingest` from the rows it really inserted, in the same transaction, so they
always equal what the raw calls add up to; `compare` shows that and `rebuild` makes it so.
"""

from usage.rollups.families import FAMILIES, Family, Table, Unanswerable, family_for, tables
from usage.rollups.histogram import LAST_BUCKET, bucket_of, latency_of, quantile
from usage.rollups.recount import Difference, NotKept, calls_kept_since, compare, rebuild
from usage.rollups.tally import Counted, Tally, increment

__all__ = [
    "FAMILIES",
    "LAST_BUCKET",
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
    "quantile",
    "rebuild",
    "tables",
]
