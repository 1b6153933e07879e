"""What outlives an archive: which secret is the right one, and who has seen it.

The doctor and the exposure ledger read the trail. What they rely on is written into the chain
anew before its events go: one event for many, of what is still there.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db.models import Case, QuerySet, When

from keys.audit.writing import Action, Actor, record
from keys.models import Application, AuditEvent

RELIED_ON = (
    Action.PROVIDER_KEY_ADDED,
    Action.PROVIDER_KEY_REVEALED,
    Action.APP_KEY_CREATED,
    Action.APP_KEY_COPIED,
    Action.LIMITS_CHANGED,
    Action.ROTATION_STARTED,
    Action.ROTATION_PROMOTED,
    Action.ROTATION_CANCELLED,
    Action.ROTATION_FINISHED,
    Action.OVERLAP_ENDED,
    Action.OVERLAP_EXTENDED,
    Action.KEY_DISABLED,
    Action.KEY_ENABLED,
    Action.KEY_EXPIRED,
    Action.KEY_REVOKED,
    Action.KEY_COMPROMISED,
    Action.DATA_KEY_ROTATED,
)
MOST = 500  # facts of one event
_WHICH = ("version", "versions", "brought_back", "dropped", "retired")  # what an event is about


def told(events: QuerySet[AuditEvent]) -> Iterator[AuditEvent]:
    """Events in the order in which they were; what `AUDIT_CARRIED` holds came before the rest."""
    first = Case(When(action=Action.AUDIT_CARRIED, then=0), default=1)
    for event in events.order_by(first, "id").iterator(chunk_size=2000):
        if event.action != Action.AUDIT_CARRIED:
            yield event
            continue
        for fact in event.detail["facts"]:
            at = datetime.fromisoformat(fact["at"])
            yield AuditEvent(**fact | {"at": at, "application_id": event.application_id})


def carry(actor: Actor, old: QuerySet[AuditEvent]) -> None:
    """Write down what events that are about to go still tell of the applications that are here."""
    relied_on = old.filter(action__in=[*RELIED_ON, Action.AUDIT_CARRIED])
    here = {row.pk: row for row in Application.objects.all()}
    last: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
    for event in told(relied_on.filter(application_id__in=here)):
        facts, fact = last.setdefault(event.application_id, {}), _fact(event)
        which = json.dumps([event.detail.get(name) for name in _WHICH])
        of = (event.target, event.action, event.actor_id, which)
        if before := facts.pop(of, None):  # what is told twice keeps its last place
            fact["detail"]["times"] = times(before["detail"]) + times(event.detail)
        facts[of] = fact
    for id, facts in last.items():
        for some in _batched(list(facts.values())):
            target = f"application:{id}"
            record(actor, Action.AUDIT_CARRIED, target, here[id], facts=some)


def times(detail: dict[str, Any]) -> int:
    """How many events one stands for."""
    return int(detail.get("times", 1))


def _fact(event: AuditEvent) -> dict[str, Any]:
    return {
        "at": event.at.astimezone(UTC).isoformat(),
        "actor_id": event.actor_id,
        "actor_name": event.actor_name,
        "action": event.action,
        "target": event.target,
        "detail": dict(event.detail),
    }


def _batched(facts: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(facts), MOST):
        yield facts[start : start + MOST]
