"""Limits of an app key: calls per minute, per day, per month, and at once."""

from usage.limits.limiter import Limiter
from usage.limits.memory import Memory, Used
from usage.limits.shared import LEASE, Redis
from usage.limits.windows import DAY, FREE, MINUTE, UNCOUNTED, Limits, Ruling

__all__ = [
    "DAY",
    "FREE",
    "LEASE",
    "MINUTE",
    "UNCOUNTED",
    "Limiter",
    "Limits",
    "Memory",
    "Redis",
    "Ruling",
    "Used",
]
