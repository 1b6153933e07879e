"""Goes over the keys that are due: lane by lane, each provider at its own pace.

What is due are rows. A lane is one provider's, and one worker has it at a time, so that no more
than PROBES_AT_ONCE questions are ever on their way to a provider. All lanes are asked side by
side: a slow provider holds up nobody else's keys. A worker that dies loses its leases in
seconds, and what it was at is due again.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from keys import health, incidents, leases, pacing, probe_counts, providers, validation, vault
from keys.evidence import Evidence
from keys.models import Lane, ProviderKey, ProviderKeyVersion
from keys.models.ids import new_id
from keys.probing import TIMEOUT, Case, Prober
from keys.providers import ProviderSpec
from keys.states import Stage, Verdict
from keys.vault import Sealed

SECONDS = 15.0  # one sweep begins no new probes after that; the next one goes on
LANE_LEASE = timedelta(seconds=10)
KEY_LEASE = timedelta(seconds=30)  # two rounds of probes that time out
RENEW = 3.0  # seconds between looks for newly due lanes, and signs of life in those held
REVIEW = 2.0  # seconds between reviews of one provider's incident
AHEAD = 2  # times PROBES_AT_ONCE: what is claimed before it can be asked

_PART = 500  # keys that one statement brings forward

_planned: set[float] = set()  # the intervals this process has planned by
_claiming = Lock()  # one sweep claims in this process; others may still wait for answers


class Lag(NamedTuple):
    """What waits: keys that are due and not being asked about, and since when the oldest is."""

    keys: int
    since: datetime | None


def check_due(seconds: float | None = None) -> int:
    """Checks the keys that are due and not being checked by another worker; returns how many.

    The database is left to the calling thread alone. With the vault sealed nothing is asked and
    nothing changes.
    """
    incidents.end_abandoned(timezone.now())
    _plan_once()
    if vault.is_sealed() or not _claiming.acquire(blocking=False):
        return 0
    with _held() as claiming:
        vault.recheck()  # a data key that another process dropped opens nothing here either
        lanes = _take_lanes({})
        if not lanes:
            return 0
        with Prober(settings.PROBES_AT_ONCE, TIMEOUT) as prober:
            sweep = _Sweep(prober, lanes)
            try:
                sweep.run(SECONDS if seconds is None else seconds)
                claiming.release()
                sweep.wait()
            finally:
                sweep.leave()
        return sweep.checked


def lag(keys: QuerySet[ProviderKey] | None = None) -> Lag:
    """How far the checks of these keys (by default: of all) are behind."""
    rows = ProviderKey.objects.all() if keys is None else keys
    waiting, since = 0, None
    for slug in _providers():
        mine = rows.filter(_due(timezone.now()), provider=slug)
        told = mine.aggregate(keys=Count("pk"), since=Min("next_check_at"))
        waiting += told["keys"]
        since = min(filter(None, (since, told["since"])), default=None)
    return Lag(waiting, since)


def hasten(ids: Sequence[str]) -> None:
    """Makes these keys due now."""
    for start in range(0, len(ids), _PART):
        with transaction.atomic():
            part = ProviderKey.objects.filter(pk__in=health.locked(ids[start : start + _PART]))
            part.update(next_check_at=timezone.now())


def _plan_once() -> None:
    if settings.CHECK_INTERVAL not in _planned:
        plan_anew()
        _planned.add(settings.CHECK_INTERVAL)


class _Claiming:
    """The right to claim, given back once."""

    def __init__(self) -> None:
        self._mine = True

    def release(self) -> None:
        if self._mine:
            self._mine = False
            _claiming.release()


@contextmanager
def _held() -> Iterator[_Claiming]:
    held = _Claiming()
    try:
        yield held
    finally:
        held.release()


class _Sweep:
    def __init__(self, prober: Prober, lanes: dict[str, str]) -> None:
        self.prober = prober
        self.lanes = lanes  # slug -> holder
        self.checked = 0
        self._renewed = time.monotonic()
        self._unclear: dict[str, Evidence] = {}
        self._reviewed: dict[str, float] = {}
        self._sealed = False

    def run(self, seconds: float) -> None:
        """Claims and asks until nothing is due, or the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._sealed:
            claimed = sum(self._refill(slug) for slug in list(self.lanes))
            if not claimed and not self.prober.under_way.total():
                break
            self._settle(0.2)
            if time.monotonic() - self._renewed > RENEW:
                self._renew()
                self.lanes |= _take_lanes(self.lanes)

    def wait(self) -> None:
        """For the answers that are still on their way."""
        while self.prober.under_way.total():
            self._settle(0.2)
            if time.monotonic() - self._renewed > RENEW:
                self._renew()
            self._leave(slug for slug in self.lanes if not self.prober.under_way[slug])

    def leave(self) -> None:
        for slug in list(self._unclear):
            self._review(slug)
        self._leave(list(self.lanes))

    def _refill(self, slug: str) -> int:
        at_once = settings.PROBES_AT_ONCE
        if self.prober.under_way[slug] > at_once * (AHEAD - 1):
            return 0
        keys = _lease(slug, at_once * AHEAD - self.prober.under_way[slug])
        try:
            cases = list(_cases(keys))
        except Sealed:
            self._sealed = True  # they wait for the vault
            ProviderKey.objects.filter(pk__in=[key.pk for key in keys]).update(lease_until=None)
            return 0
        for case in cases:
            self.prober.ask(case)
        if not keys and not self.prober.under_way[slug]:
            self._leave([slug])
        return len(cases)

    def _settle(self, wait: float) -> None:
        """Writes down what has come, all at once."""
        answers = list(self.prober.answers(wait))
        if not answers:
            return
        told = [(case.key_id, evidence) for case, evidence in answers]
        with transaction.atomic():
            health.record_many(told, reviewed=False)
            probe_counts.add(case.spec.slug for case, _ in answers if case.secret is not None)
        self.checked += len(answers)
        for case, evidence in answers:
            if evidence.unclear:
                self._unclear[case.spec.slug] = evidence
        covered = incidents.covering({case.spec.slug for case, _ in answers})
        for slug in {*covered, *self._unclear}:
            if time.monotonic() - self._reviewed.get(slug, -REVIEW) >= REVIEW:
                self._review(slug)

    def _review(self, slug: str) -> None:
        self._reviewed[slug] = time.monotonic()
        incidents.review(slug, self._unclear.pop(slug, None), timezone.now())

    def _renew(self) -> None:
        self._renewed = time.monotonic()
        until = timezone.now() + LANE_LEASE
        for slug, holder in list(self.lanes.items()):
            mine = Lane.objects.filter(provider=slug, holder=holder)
            if not mine.update(lease_until=until):
                del self.lanes[slug]  # it took too long: somebody else has it

    def _leave(self, slugs: Iterable[str]) -> None:
        for slug in list(slugs):
            mine = Lane.objects.filter(provider=slug, holder=self.lanes.pop(slug))
            mine.update(lease_until=None, holder="")


def _take_lanes(mine: dict[str, str]) -> dict[str, str]:
    """The lanes in which something is due and that nobody has, now with these holders."""
    now = timezone.now()
    taken: dict[str, str] = {}
    for slug in _providers():
        if slug in mine or not _due_of(slug, now).exists():
            continue
        Lane.objects.get_or_create(provider=slug)
        holder = new_id()
        rows = Lane.objects.filter(leases.free(now), provider=slug)
        if rows.update(lease_until=now + LANE_LEASE, holder=holder):
            taken[slug] = holder
    return taken


def _providers() -> Iterator[str]:
    """The providers that keys are of, by one step in the index for each."""
    slug: str | None = ""
    while True:
        later = ProviderKey.objects.filter(provider__gt=slug).order_by("provider")
        slug = later.values_list("provider", flat=True).first()
        if slug is None:
            return
        yield slug


def plan_anew() -> int:
    """Brings forward what was planned under a longer interval; returns how many keys."""
    now = timezone.now()
    too_far = ProviderKey.objects.filter(next_check_at__gt=now + pacing.interval())
    planned = too_far.exclude(verdict__in=[Verdict.DEAD, Verdict.UNCHECKED])
    return sum(planned.filter(provider=slug).update(next_check_at=now) for slug in _providers())


def _due(now: datetime) -> Q:
    return Q(next_check_at__lte=now) & leases.free(now)


def _due_of(slug: str, now: datetime) -> QuerySet[ProviderKey]:
    return ProviderKey.objects.filter(_due(now), provider=slug).order_by("next_check_at")


def _lease(slug: str, limit: int) -> list[ProviderKey]:
    """Claims due rows of a lane, the longest due first. Locked rows are somebody's already;
    where rows can't be locked, one transaction writes at a time."""
    now = timezone.now()
    with transaction.atomic():
        rows = _due_of(slug, now)
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True)
        keys = list(rows[:limit])
        ids = [key.pk for key in keys]
        if ids:
            ProviderKey.objects.filter(pk__in=ids).update(lease_until=now + KEY_LEASE)
    return keys


def _cases(keys: list[ProviderKey]) -> Iterator[Case]:
    """What there is to ask about these; a key that can't be asked about leaves the queue."""
    specs = {spec.slug: spec for spec in providers.all_specs()} if keys else {}
    rows = ProviderKeyVersion.objects.filter(key__in=keys, stage=Stage.CURRENT)
    current = {version.key_id: version for version in rows}
    for key in keys:
        case = _case(specs.get(key.provider), key, current.get(key.pk))
        if case is None:
            ProviderKey.objects.filter(pk=key.pk).update(next_check_at=None, lease_until=None)
        else:
            yield case


def _case(
    spec: ProviderSpec | None, key: ProviderKey, version: ProviderKeyVersion | None
) -> Case | None:
    return validation.case_of(spec, key, version) if spec and version else None
