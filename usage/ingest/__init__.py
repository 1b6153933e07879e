"""From spools to rows, exactly once: the one writer of calls, counts and evidence."""

from usage.ingest.drain import drain, drain_dead, drain_mine
from usage.ingest.drainer import start_drainer, stop_drainer
from usage.ingest.store import Drained
from usage.ingest.strangers import count_stranger, flush_strangers, network_of

__all__ = [
    "Drained",
    "count_stranger",
    "drain",
    "drain_dead",
    "drain_mine",
    "flush_strangers",
    "network_of",
    "start_drainer",
    "stop_drainer",
]
