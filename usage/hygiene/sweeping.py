"""The sweep: all findings of all keys, in a fixed number of queries, written as they differ."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from keys import exposure
from keys.models import (
    KEYS,
    AppKey,
    AppKeyVersion,
    Application,
    ProviderKey,
    ProviderKeyVersion,
)
from keys.states import KeyState, Stage
from usage import stats
from usage.events import Outcome
from usage.models import HygieneFinding
from usage.periods import Step, ticks

UNUSED = timedelta(days=30)
YOUNG = timedelta(days=7)  # a key that was made since then has its time to be put to use
REAL_USE = timedelta(days=30)
FAR_ABOVE = 100  # times the busiest day
ROOM = 10  # times the busiest day: what a limit that is set by a click allows
LEAST_LIMIT = 100  # calls a day
_BATCH = 500
_ALL = 1_000_000
_LIMITS = ("per_minute", "per_day", "per_month", "concurrency")
_MINUTES, _DAYS = 1440, 31


@dataclass(frozen=True, slots=True)
class Found:
    application: str
    code: str
    target: str
    name: str
    since: datetime | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one sweep reads once for all keys."""

    now: datetime
    made: dict[str, datetime]  # target -> when its present secret came into use
    shared: dict[str, int]  # target -> applications with the same secret
    busiest: dict[str, int]  # id of an app key -> calls of its busiest day
    idle: dict[str, str]  # target -> never_used or unused


def sweep(now: datetime | None = None) -> int:
    """Looks at every active key and keeps what is found; returns how many findings there are."""
    now = now or timezone.now()
    seen = _look(now)
    found = {(one.target, one.code): one for one in _findings(seen)}
    _keep(found, HygieneFinding.objects.all(), now)
    return len(found)


def look_again(key: ProviderKey | AppKey, now: datetime | None = None) -> None:
    """The same for one key, after something was done about it."""
    now = now or timezone.now()
    seen = _look(now, key)
    fresh = type(key)._default_manager.filter(pk=key.pk, state=KeyState.ACTIVE)
    rows = fresh.select_related("application")
    found = {(one.target, one.code): one for row in rows for one in _of_key(row, seen)}
    found |= {
        (one.target, one.code): one for one in _left([key.application]) if one.target == key.target
    }
    _keep(found, HygieneFinding.objects.filter(target=key.target), now)


def _look(now: datetime, only: ProviderKey | AppKey | None = None) -> _Seen:
    """What the checks need to know of all keys, or of one and those with its secret."""
    made: dict[str, datetime] = {}
    prints: defaultdict[str, set[str]] = defaultdict(set)
    holders: dict[str, str] = {}
    current = ProviderKeyVersion.objects.filter(stage=Stage.CURRENT, key__state=KeyState.ACTIVE)
    ours = AppKeyVersion.objects.filter(stage=Stage.CURRENT, key__state=KeyState.ACTIVE)
    if only is not None:
        mine = ProviderKeyVersion.objects.filter(key_id=only.pk, stage=Stage.CURRENT)
        current = current.filter(fingerprint__in=mine.values("fingerprint"))
        ours = ours.filter(key_id=only.pk)
    told = current.values_list("key_id", "key__application_id", "fingerprint", "created_at")
    for id, application, fingerprint, at in told.iterator():
        made[f"provider_key:{id}"] = at
        prints[fingerprint].add(application)
        holders[f"provider_key:{id}"] = fingerprint
    for id, at in ours.values_list("key_id", "created_at").iterator():
        made[f"app_key:{id}"] = at
    shared = {
        target: len(prints[fingerprint])
        for target, fingerprint in holders.items()
        if len(prints[fingerprint]) > 1
    }
    return _Seen(now, made, shared, _busiest(now, only), _idle(now, only))


def _idle(now: datetime, only: ProviderKey | AppKey | None) -> dict[str, str]:
    """The keys that nobody calls with, by the definition that alerts and pages have."""
    found: dict[str, str] = {}
    for kind, model in KEYS.items():
        rows = model._default_manager.filter(state=KeyState.ACTIVE)
        if only is not None:
            rows = rows.filter(pk=only.pk)
        for code, silence in (("never_used", YOUNG), ("unused", UNUSED)):
            mine = rows.filter(stats.idle(now - silence), last_used_at__isnull=code == "never_used")
            found |= {f"{kind}:{id}": code for id in mine.values_list("pk", flat=True)}
    return found


def _busiest(now: datetime, only: ProviderKey | AppKey | None) -> dict[str, int]:
    """Calls of each app key's busiest day of the last 30, those that Keydeck refused left out."""
    if isinstance(only, ProviderKey):
        return {}
    found: dict[str, int] = {}
    days = ticks(now - REAL_USE, now, Step.DAY)
    for day in days:
        f = stats.Filter(
            since=day, until=min(day + Step.DAY.length, now), app_key=only.pk if only else ""
        )
        for one in stats.groups(f, "app_key", _ALL, now):
            calls = one.requests - one.by_outcome.get(Outcome.DENIED, 0)
            found[one.value] = max(found.get(one.value, 0), calls)
    return found


def _findings(seen: _Seen) -> Iterator[Found]:
    for model in (ProviderKey, AppKey):
        rows = model._default_manager.filter(state=KeyState.ACTIVE).defer("note", "tags")
        for key in rows.iterator(_BATCH):
            yield from _of_key(key, seen)
    yield from _left(list(Application.objects.all()))


def _of_key(key: ProviderKey | AppKey, seen: _Seen) -> Iterator[Found]:
    checks = [_use(key, seen), _secret(key, seen)]
    if isinstance(key, AppKey):
        checks.append(_policy(key, seen))
    if key.owner_id is None:
        yield _found(key, "no_owner")
    for found in checks:
        yield from found


def _use(key: ProviderKey | AppKey, seen: _Seen) -> Iterator[Found]:
    if code := seen.idle.get(key.target):
        yield _found(key, code, key.last_used_at or key.created_at)


def _secret(key: ProviderKey | AppKey, seen: _Seen) -> Iterator[Found]:
    made = seen.made.get(key.target)
    oldest = settings.SECRET_MAX_AGE_DAYS
    if made and oldest and made < seen.now - timedelta(days=oldest):
        yield _found(key, "old_secret", made, policy_days=oldest)
    if others := seen.shared.get(key.target):
        yield _found(key, "shared_secret", applications=others)


def _policy(key: AppKey, seen: _Seen) -> Iterator[Found]:
    busiest = seen.busiest.get(key.pk, 0)
    if key.expires_at is None:
        yield _found(key, "no_expiry")
    if not any(getattr(key, name) for name in _LIMITS):
        yield _found(key, "no_limit", busiest_day=busiest, suggested=suggested(busiest))
        return
    allowed = _a_day(key)
    old_enough = key.created_at < seen.now - REAL_USE
    if allowed and busiest and old_enough and allowed > FAR_ABOVE * busiest:
        detail: dict[str, Any] = {
            "allowed": allowed,
            "busiest_day": busiest,
            "suggested": suggested(busiest),
        }
        yield _found(key, "loose_limit", **detail)


def _a_day(key: AppKey) -> int | None:
    """Calls that its limits let through in a day; None where only calls at once are limited."""
    told = (
        key.per_day,
        key.per_minute and key.per_minute * _MINUTES,
        key.per_month and math.ceil(key.per_month / _DAYS),
    )
    return min((calls for calls in told if calls), default=None)


def suggested(busiest: int) -> int:
    """A limit a day that leaves room, in round figures."""
    wanted = max(busiest * ROOM, LEAST_LIMIT)
    unit = int("1" + "0" * (len(str(wanted)) - 1))
    return math.ceil(wanted / unit) * unit


def _left(applications: list[Application]) -> Iterator[Found]:
    who: Counter[str] = Counter()
    first: dict[str, Found] = {}
    for left in exposure.to_rotate(applications):
        who[left.key.target] += 1
        found = _found(left.key, "seen_by_leaver", left.row.at)
        first.setdefault(left.key.target, found)
    for target, found in first.items():
        found.detail["people"] = who[target]
        yield found


def _found(
    key: ProviderKey | AppKey, code: str, since: datetime | None = None, **detail: Any
) -> Found:
    return Found(key.application_id, code, key.target, key.name, since, detail)


def _keep(found: dict[tuple[str, str], Found], rows: Any, now: datetime) -> None:
    """Rows as they differ from what was found; a snooze stays with what stays."""
    known = {(row.target, row.code): row for row in rows}
    gone = [row.pk for place, row in known.items() if place not in found]
    new = [_row(one, now) for place, one in found.items() if place not in known]
    changed = [
        row for place, one in found.items() if (row := known.get(place)) and _moved(row, one)
    ]
    for part in _parts(gone):
        HygieneFinding.objects.filter(pk__in=part).delete()
    with transaction.atomic():
        HygieneFinding.objects.bulk_create(new, _BATCH, ignore_conflicts=True)
        HygieneFinding.objects.bulk_update(changed, ("name", "detail", "since"), _BATCH)


def _row(one: Found, now: datetime) -> HygieneFinding:
    return HygieneFinding(
        application_id=one.application,
        code=one.code,
        target=one.target,
        name=one.name,
        detail=one.detail,
        since=one.since,
        found_at=now,
    )


def _moved(row: HygieneFinding, one: Found) -> bool:
    if (row.name, row.detail, row.since) == (one.name, one.detail, one.since):
        return False
    row.name, row.detail, row.since = one.name, one.detail, one.since
    return True


def _parts(ids: list[int]) -> Iterable[list[int]]:
    return (ids[at : at + _BATCH] for at in range(0, len(ids), _BATCH))
