"""Periodic work: one door that claims a job's row, runs it, and writes what came of it."""

from keys.jobs.looking import Standing, late, standings
from keys.jobs.running import LEASE, register, run

__all__ = ["LEASE", "Standing", "late", "register", "run", "standings"]
