"""Who calls with a key, and with which of its versions: from the latest raw calls.

Looking at a fixed number of calls keeps the cost fixed, however much traffic there is.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import QuerySet

from usage.events import Outcome
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

    since: datetime  # the rotation, the last day, or as far back as the calls looked at go
    bars: list[Bar]  # oldest first, of equal length
    lately: datetime  # an hour ago, or the rotation if that was later
    old_lately: int
    new_lately: int
    callers: list[Caller]  # that used the old one lately, the busiest first
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


def cutover(f: Filter, kind: str, old: int, new: int, rotated: datetime, now: datetime) -> Cutover:
    """Calls of the key in `f` by version since it was rotated; `kind` is app_key or provider_key.

    What was called before, when there was no other secret, says nothing of who has moved.
    """
    version = f"{kind}_version"
    begin = max(rotated, now - DAY)
    found = _latest(f, begin).filter(**{f"{version}__in": (old, new)})
    rows = list(found.values_list("started_at", version, *Who._fields)[:LOOKED_AT])
    since = rows[-1][0] if len(rows) == LOOKED_AT else begin
    lately = max(rotated, now - HOUR)
    with_old = [row for row in rows if row[1] == old]
    callers, more = _callers(row for row in with_old if row[0] >= lately)
    return Cutover(
        since=since,
        bars=_bars(((at, number == old) for at, number, *_ in rows), since, now),
        lately=lately,
        old_lately=sum(row[0] >= lately for row in with_old),
        new_lately=sum(row[0] >= lately and row[1] == new for row in rows),
        callers=callers,
        more=more,
        old_last=with_old[0][0] if with_old else None,
    )


def impact(f: Filter, now: datetime) -> Impact:
    """What the key, or the application, in `f` did in the last seven days, and for whom.

    A call that Keydeck refused is nobody's loss.
    """
    summed = totals(f.between(now - WEEK, now), now)
    requests = summed.requests - summed.by_outcome.get(Outcome.DENIED, 0)
    found = _latest(f, now - WEEK).exclude(outcome=Outcome.DENIED)
    rows = list(found.values_list("started_at", "app_key", *Who._fields)[:LOOKED_AT])
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
