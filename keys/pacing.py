"""When a key is looked at again: never later than DESIGN section 7 promises, and not sooner.

A key that works is looked at once in the interval, or not at all while its calls tell; a
suspect one when its second refusal counts; a dead one often at first, then rarely; one that
got no clear answer soon, then in growing steps up to the interval.
"""

import random
from datetime import datetime, timedelta

from django.conf import settings

from keys import providers
from keys.providers import UnknownProvider
from keys.states import CONFIRM_AFTER, Standing, Verdict

DEAD_EVERY = timedelta(seconds=55)  # a dead key, in its first hour
DEAD_FIRST = timedelta(hours=1)
DEAD_BACK_OFF = 4  # after that: a quarter of the time it has been dead
DEAD_MOST = timedelta(days=1)
UNCLEAR_FIRST = timedelta(seconds=30)
# In an incident all keys together ask about this often whether it is over.
INCIDENT_EVERY = timedelta(seconds=10)
INCIDENT_MOST = timedelta(seconds=60)


def checkable(slug: str) -> bool:
    """Whether the provider has a free request to check a key with."""
    try:
        return providers.get(slug).probe is not None
    except UnknownProvider:
        return False


def interval() -> timedelta:
    return timedelta(seconds=settings.CHECK_INTERVAL)


def jittered(pause: timedelta) -> timedelta:
    """A little less than `pause`, each time another."""
    return pause * (1 - random.random() / 10)  # noqa: S311 - spreads load, hides nothing


def next_check(
    standing: Standing,
    at: datetime,
    *,
    dead_since: datetime | None = None,
    unclear_since: datetime | None = None,
    together: int = 0,
) -> datetime:
    """When a key of that standing, looked at just now, is looked at again.

    `together`: how many keys of its provider an open incident is about; 0: there is none.
    """
    if standing.verdict is Verdict.DEAD:
        age = at - (dead_since or at)
        young = age < DEAD_FIRST
        return at + jittered(
            min(interval(), DEAD_EVERY) if young else min(age / DEAD_BACK_OFF, DEAD_MOST)
        )
    if standing.refused_at is not None:
        confirming = standing.refused_at + CONFIRM_AFTER
        soon = min(interval(), DEAD_EVERY)
        return min(confirming, at + interval()) if confirming > at else at + soon
    if unclear_since is None:
        return at + jittered(interval())
    pause = max(UNCLEAR_FIRST, at - unclear_since)
    if together:
        pause = max(INCIDENT_MOST, INCIDENT_EVERY * together)
    return at + jittered(min(interval(), pause))
