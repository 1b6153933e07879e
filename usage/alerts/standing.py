"""When an alert is told: what one look makes of what was known. Pure.

A firing is told once, a change of what it says again, its end once; never twice within the
cooldown. What fires again too soon is kept quiet until the cooldown is over, and told then if it
still holds.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Told(StrEnum):
    FIRED = "fired"
    CHANGED = "changed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one subject. `told_what` is empty while its present firing is untold."""

    firing_since: datetime
    ended_at: datetime | None = None
    told_at: datetime | None = None
    told_what: str = ""

    @property
    def is_firing(self) -> bool:
        return self.ended_at is None


def look(
    known: Standing | None, what: str, since: datetime | None, now: datetime, cooldown: timedelta
) -> tuple[Standing | None, Told | None]:
    """The standing after a look that found `what` ("" when the condition does not hold)."""
    if not what:
        return _not_so(known, now)
    if known is None:
        return Standing(min(since or now, now), None, now, what), Told.FIRED
    if not known.is_firing:
        known = Standing(min(since or now, now), None, known.told_at, "")
    if known.told_what == what or not _may_tell(known, now, cooldown):
        return known, None
    told = Told.CHANGED if known.told_what else Told.FIRED
    return replace(known, told_at=now, told_what=what), told


def _not_so(known: Standing | None, now: datetime) -> tuple[Standing | None, Told | None]:
    if known is None or not known.is_firing:
        return known, None
    return replace(known, ended_at=now), Told.ENDED if known.told_what else None


def _may_tell(known: Standing, now: datetime, cooldown: timedelta) -> bool:
    return known.told_at is None or now - known.told_at >= cooldown
