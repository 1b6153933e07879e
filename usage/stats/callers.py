"""Who calls with a key, and with which of its versions: from the latest raw calls.

Looking at a fixed number of calls keeps the cost fixed, however much traffic there is.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import QuerySet

from usage.models import Call
from usage.stats.counts import totals
from usage.stats.filters import Filter

LOOKED_AT = 10_000  # of the latest calls
TOLD = 5  # callers by name; the others are counted
BARS = 24
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)


class Who(NamedTuple):
    """One caller, as far as a call tells."""

    address: str
    user_agent: str
    caller: str  # the wrapper's label


@dataclass(frozen=True, slots=True)
class Caller:
    who: Who
    requests: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Bar:
    """Calls of one stretch of time, with the old secret and with the new one."""

    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Cutover:
    """How far callers have moved from one version of a key to the next."""

    since: datetime  # the last day, or as far back as the calls looked at go
    bars: list[Bar]  # oldest first, of equal length
    old_last_hour: int
    new_last_hour: int
    callers: list[Caller]  # that used the old one in the last hour, the busiest first
    more: int  # other such callers
    old_last: datetime | None

    @property
    def highest(self) -> int:
        return max((bar.old + bar.new for bar in self.bars), default=0)


@dataclass(frozen=True, slots=True)
class Impact:
    """What stops when a key stops: the last seven days of its calls."""

    requests: int
    per_hour: float
    callers: list[Caller]  # of the latest calls, the busiest first
    more: int
    app_keys: dict[str, int]  # id -> calls of those looked at
    last: datetime | None


def cutover(f: Filter, kind: str, number: int, now: datetime) -> Cutover:
    """Calls of the key in `f` by version; `kind` is app_key or provider_key, `number` the old."""
    rows = list(_latest(f, now - DAY).values_list("started_at", f"{kind}_version", *Who._fields))
    rows = rows[:LOOKED_AT]
    since = rows[-1][0] if len(rows) == LOOKED_AT else now - DAY
    hour = now - HOUR
    old = [row for row in rows if row[1] == number]
    callers, more = _callers(row for row in old if row[0] >= hour)
    return Cutover(
        since=since,
        bars=_bars(((at, version == number) for at, version, *_ in rows), since, now),
        old_last_hour=sum(row[0] >= hour for row in old),
        new_last_hour=sum(row[0] >= hour for row in rows) - sum(row[0] >= hour for row in old),
        callers=callers,
        more=more,
        old_last=old[0][0] if old else None,
    )


def impact(f: Filter, now: datetime) -> Impact:
    """What the key in `f` did in the last seven days, and for whom."""
    requests = totals(f.between(now - WEEK, now), now).requests
    found = _latest(f, now - WEEK).values_list("started_at", "app_key", *Who._fields)
    rows = list(found[:LOOKED_AT])
    callers, more = _callers(rows)
    return Impact(
        requests=requests,
        per_hour=requests / (WEEK / HOUR),
        callers=callers,
        more=more,
        app_keys=dict(Counter(row[1] for row in rows if row[1]).most_common(TOLD)),
        last=rows[0][0] if rows else None,
    )


def _latest(f: Filter, since: datetime) -> QuerySet[Call]:
    rows = Call.objects.filter(**f.dimensions, started_at__gte=since)
    return rows.order_by("-started_at", "-id")


def _callers(rows: Iterable[tuple[Any, ...]]) -> tuple[list[Caller], int]:
    counts, last = Counter[Who](), dict[Who, datetime]()
    for at, _, *told in rows:
        who = Who(*told)
        counts[who] += 1
        last.setdefault(who, at)  # newest first
    found = [Caller(who, n, last[who]) for who, n in counts.most_common(TOLD)]
    return found, len(counts) - len(found)


def _bars(calls: Iterable[tuple[datetime, bool]], since: datetime, now: datetime) -> list[Bar]:
    width = (now - since) / BARS
    counts = Counter[tuple[int, bool]]()
    for at, is_old in calls:
        place = min(max(int((at - since) / width), 0), BARS - 1) if width else BARS - 1
        counts[place, is_old] += 1
    return [Bar(counts[n, True], counts[n, False]) for n in range(BARS)]
