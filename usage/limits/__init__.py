"""Limits of an app key: calls per minute, per day, and at once."""

from usage.limits.limiter import Limiter
from usage.limits.memory import Memory
from usage.limits.shared import LEASE, Redis
from usage.limits.windows import DAY, FREE, MINUTE, Limits, Ruling

__all__ = ["DAY", "FREE", "LEASE", "MINUTE", "Limiter", "Limits", "Memory", "Redis", "Ruling"]
