"""What ought to be tidied up about keys: found by a sweep, kept as rows, mended in a click."""

from usage.hygiene.codes import CODES, Code
from usage.hygiene.fixing import FIXES, SNOOZES, Fix, fix, key_of, snooze
from usage.hygiene.inbox import count, gravest_first, inbox, waiting
from usage.hygiene.sweeping import look_again, sweep

__all__ = [
    "CODES",
    "FIXES",
    "SNOOZES",
    "Code",
    "Fix",
    "count",
    "fix",
    "gravest_first",
    "inbox",
    "key_of",
    "look_again",
    "snooze",
    "sweep",
    "waiting",
]
