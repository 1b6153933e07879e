"""Checks that somebody asks for of many keys: they are made due, and the sweep does the rest."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from keys import audit, sweeping
from keys.audit import Action, Actor
from keys.lifecycle.errors import Conflict, Invalid
from keys.models import CheckRun, CheckRunKey, ProviderKey, User
from keys.providers import all_specs
from keys.states import KeyState

MOST_CHECKED = 10_000
MOST_OPEN = 5  # runs of one person that go on at once
OPEN_AT_MOST = timedelta(hours=1)  # what waits longer, for a sealed vault say, counts no more
KEPT = timedelta(days=30)
_LOOKED = Q(key__looked_at__gte=F("run__created_at")) | Q(key__checked_at__gte=F("run__created_at"))


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is. `verdicts`: of its keys that were looked at since; `unclear`: those of
    them that got no clear answer."""

    total: int
    done: int
    unclear: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.done >= self.total


def start_checks(actor: Actor, keys: QuerySet[ProviderKey], scope: str) -> CheckRun:
    """Have these keys checked now, at most 10,000; `scope` says in words which they are.

    What cannot be checked for free is left out and counted. Who asks once more for what still
    goes on gets the same run. Raises Invalid where nothing is left, Conflict where too much of
    theirs goes on.
    """
    free = [spec.slug for spec in all_specs() if spec.probe is not None]
    wanted = keys.exclude(state=KeyState.REVOKED)
    ids = list(wanted.filter(provider__in=free).order_by("pk").values_list("pk", flat=True))
    if not ids and not wanted.exists():
        raise Invalid("keys", "No key is chosen that you may have checked.")
    if not ids:
        raise Invalid("keys", "None of these keys can be checked for free.")
    if len(ids) > MOST_CHECKED:
        raise Invalid("keys", f"At most {MOST_CHECKED} keys are checked at once: choose fewer.")
    now = timezone.now()
    with transaction.atomic():
        if actor.user is not None:
            User.objects.select_for_update().get(pk=actor.user.pk)  # one by one
            going_on = _going_on(actor.user, now)
            if same := _same(going_on, scope, ids):
                return same
            if len(going_on) >= MOST_OPEN:
                raise Conflict(
                    f"{MOST_OPEN} checks that you asked for still go on: wait until one has ended."
                )
        CheckRun.objects.filter(created_at__lt=now - KEPT).delete()
        run = CheckRun.objects.create(
            created_at=now,
            created_by=actor.user,
            scope=scope[:200],
            total=len(ids),
            left_out=wanted.count() - len(ids),
        )
        CheckRunKey.objects.bulk_create(
            (CheckRunKey(run=run, key_id=id) for id in ids), batch_size=500
        )
        audit.record(actor, Action.CHECKS_STARTED, f"checks:{run.pk}", keys=len(ids), scope=scope)
    sweeping.hasten(ids)  # were it lost, the keys would be due within the interval all the same
    return run


def run_progress(run: CheckRun) -> RunProgress:
    """How many of its keys were looked at since it was asked for; gone ones need no look."""
    waiting = _waiting(run.keys.all()).count()
    looked = run.keys.filter(_LOOKED)
    verdicts = looked.values_list("key__verdict").annotate(Count("pk")).order_by()
    return RunProgress(
        total=run.total,
        done=run.total - waiting,
        unclear=looked.filter(key__unclear_since__isnull=False).count(),
        verdicts=dict(verdicts),
    )


def _waiting(rows: QuerySet[CheckRunKey]) -> QuerySet[CheckRunKey]:
    """Those whose keys are still to be looked at."""
    return rows.exclude(_LOOKED).exclude(key__next_check_at=None)


def _going_on(user: User, now: datetime) -> list[CheckRun]:
    recent = CheckRun.objects.filter(created_by=user, created_at__gt=now - OPEN_AT_MOST)
    waiting = _waiting(CheckRunKey.objects.filter(run=OuterRef("pk")))
    return list(recent.filter(Exists(waiting)).order_by("-created_at")[:MOST_OPEN])


def _same(runs: list[CheckRun], scope: str, ids: list[str]) -> CheckRun | None:
    """The one of these that is about the very same keys."""
    alike = [run for run in runs if (run.scope, run.total) == (scope[:200], len(ids))]
    about = ((run, set(run.keys.values_list("key_id", flat=True))) for run in alike)
    return next((run for run, keys in about if keys == set(ids)), None)
