"""Checks that somebody asks for of many keys: they are made due, and the sweep does the rest."""

from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from keys import audit, sweeping
from keys.audit import Action, Actor
from keys.lifecycle.errors import Invalid
from keys.models import CheckRun, CheckRunKey, ProviderKey
from keys.providers import all_specs
from keys.states import KeyState

MOST_CHECKED = 10_000
KEPT = timedelta(days=30)


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

    What cannot be checked for free is left out and counted. Raises Invalid where nothing is left.
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
    since = Q(key__looked_at__gte=run.created_at) | Q(key__checked_at__gte=run.created_at)
    waiting = run.keys.exclude(since).exclude(key__next_check_at=None).count()
    looked = run.keys.filter(since)
    verdicts = looked.values_list("key__verdict").annotate(Count("pk")).order_by()
    return RunProgress(
        total=run.total,
        done=run.total - waiting,
        unclear=looked.filter(key__unclear_since__isnull=False).count(),
        verdicts=dict(verdicts),
    )
