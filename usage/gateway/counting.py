"""What the ledger says an app key has used of its day and its month.

Asked when a process meets a key first and when Redis has lost it, and once more later: by then
what a process that died had in its spool is drained. Outside those, the count is the limiter's.
"""

import asyncio
from collections import Counter
from datetime import UTC, datetime

from django.db.models import Sum

from usage.events import Outcome
from usage.gateway import lookup
from usage.gateway.desk import Desk
from usage.gateway.errors import Denial
from usage.limits import Limits, Used
from usage.limits.windows import DAY, LASTING, WINDOWS, month_start
from usage.models import KeyDay, KeyMinute

LATER = 30.0  # seconds; a dead writer's spool is drained within 10


async def recount(desk: Desk, key: str, limits: Limits, now: float) -> None:
    """Tells the limiter what was used. With the database away a key counts from nothing."""
    try:
        first = await lookup.run(desk.directory, lambda: _tell(desk, key, limits, now))
    except Denial:
        if first := not desk.limiter.counts(key, limits):
            nothing: Used = {index: {} for index in LASTING}
            await asyncio.to_thread(desk.limiter.seed, key, nothing, now)
    if first:
        _later(asyncio.get_running_loop(), desk, key, limits)


def _later(loop: asyncio.AbstractEventLoop, desk: Desk, key: str, limits: Limits) -> None:
    loop.call_later(LATER, _look_again, loop, desk, key, limits)


def _look_again(loop: asyncio.AbstractEventLoop, desk: Desk, key: str, limits: Limits) -> None:
    if not desk.directory.fresh:
        _later(loop, desk, key, limits)
        return
    now = datetime.now(UTC).timestamp()
    desk.directory.run(lambda: desk.limiter.seed(key, used(key, limits, now), now))


def _tell(desk: Desk, key: str, limits: Limits, now: float) -> bool:
    """In the directory's thread; of several calls that wait, the first asks for all of them."""
    first = not desk.limiter.counts(key, limits)
    if first:
        desk.limiter.seed(key, used(key, limits, now), now)
    return first


def used(key: str, limits: Limits, now: float) -> Used:
    """Calls that were not refused here, by window and slot, where there is such a limit."""
    found: dict[int, dict[int, int]] = {}
    if limits.per_day is not None:
        window, slots = WINDOWS[1], Counter[int]()
        since = datetime.fromtimestamp(now - DAY, UTC)
        rows = KeyMinute.objects.filter(app_key=key, at__gt=since)
        minutes = rows.exclude(outcome=Outcome.DENIED).order_by().values_list("at")
        for at, calls in minutes.annotate(calls=Sum("requests")):
            slots[window.slot(at.timestamp())] += calls
        found[1] = dict(slots)
    if limits.per_month is not None:
        slot = WINDOWS[2].slot(now)
        days = KeyDay.objects.filter(app_key=key, at__gte=month_start(slot))
        calls = days.exclude(outcome=Outcome.DENIED).aggregate(calls=Sum("requests"))["calls"]
        found[2] = {slot: calls or 0}
    return found
