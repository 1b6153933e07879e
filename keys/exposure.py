"""Who has seen which secret, read from the audit trail: nobody sees one without a row in it."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from keys.audit import Action, times, told
from keys.models import (
    AppKey,
    AppKeyVersion,
    Application,
    AuditEvent,
    Key,
    ProviderKey,
    ProviderKeyVersion,
    ToRotate,
    User,
)
from keys.states import CHANGEABLE, OPEN

SHOWN = frozenset({Action.PROVIDER_KEY_REVEALED, Action.APP_KEY_COPIED})
# An app key's text is handed to whoever makes it; a provider key's is brought along by them.
HANDED_OVER = frozenset(
    {Action.APP_KEY_CREATED, Action.PROVIDER_KEY_ADDED, Action.ROTATION_STARTED}
)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who has a secret of a key that is in use."""

    name: str
    times: int
    last: datetime
    reason: str  # the last one given


def seen_by(key: Key) -> list[Viewer]:
    """Who has seen a secret of this key that works still, or is about to; the latest first."""
    target = key.target
    events = AuditEvent.objects.filter(
        Q(target=target, action__in=SHOWN | HANDED_OVER)
        | Q(application_id=key.application_id, action=Action.AUDIT_CARRIED)
    )
    numbers = set(key.versions.filter(stage__in=OPEN).values_list("number", flat=True))
    found: dict[str, Viewer] = {}
    for event in told(events):
        if event.target != target or event.actor_id is None or not _exposes(event):
            continue
        if event.detail.get("version") not in numbers:
            continue
        before = found.get(event.actor_name)
        found[event.actor_name] = Viewer(
            event.actor_name,
            (before.times if before else 0) + times(event.detail),
            event.at,
            event.detail.get("reason", ""),
        )
    return sorted(found.values(), key=lambda viewer: viewer.last, reverse=True)


def seen(user: User, application: Application) -> dict[Key, list[int]]:
    """The keys of the application of which this person has secrets that work still, and which."""
    events = _shown_to(user, AuditEvent.objects.filter(application_id=application.pk))
    places = {(event.target, event.detail.get("version")) for event in events}
    return _working([application], places)


@dataclass(frozen=True, slots=True)
class Left:
    """A key that works still for somebody who left."""

    row: ToRotate
    key: Key


def to_rotate(applications: Sequence[Application]) -> list[Left]:
    """What those who left these applications have still, the oldest first.

    A row is done with as soon as none of the versions it names works any more.
    """
    rows = list(ToRotate.objects.filter(application__in=applications).order_by("at", "id"))
    places = {(row.target, number) for row in rows for number in row.numbers}
    working = {
        (key.target, number): key
        for key, numbers in (_working(applications, places) if places else {}).items()
        for number in numbers
    }
    found = []
    for row in rows:
        keys = [working[place] for n in row.numbers if (place := (row.target, n)) in working]
        found += [Left(row, key) for key in keys[:1]]
    return found


def everywhere(user: User) -> list[Key]:
    """The same over all applications: what to rotate when somebody leaves."""
    return [key for application in where(user) for key in seen(user, application)]


def where(user: User) -> list[Application]:
    """The applications in which this person has seen a secret, whether it works or not."""
    ids = {event.application_id for event in _shown_to(user, AuditEvent.objects.all())}
    return list(Application.objects.filter(pk__in=ids).order_by("pk"))


def _shown_to(user: User, events: QuerySet[AuditEvent]) -> Iterator[AuditEvent]:
    """Those of the events by which this person got a secret, also of what an archive left."""
    mine = Q(actor=user, action__in=SHOWN | HANDED_OVER) | Q(action=Action.AUDIT_CARRIED)
    for event in told(events.filter(mine)):
        if event.actor_id == user.pk and _exposes(event):
            yield event


def _exposes(event: AuditEvent) -> bool:
    return event.action in SHOWN | HANDED_OVER and not event.detail.get("unseen")


def _working(
    applications: Sequence[Application], places: Set[tuple[str, object]]
) -> dict[Key, list[int]]:
    """The keys in use that have one of these versions in use, with their numbers."""
    models: tuple[tuple[str, type[ProviderKeyVersion] | type[AppKeyVersion]], ...] = (
        (ProviderKey.kind, ProviderKeyVersion),
        (AppKey.kind, AppKeyVersion),
    )
    found: dict[Key, list[int]] = {}
    for kind, model in models:
        parted = (target.partition(":") for target, _ in places)
        ids = {id for of, _, id in parted if of == kind}
        rows = model._default_manager.defer("sealed").filter(
            key__in=ids,
            key__application__in=applications,
            key__state__in=CHANGEABLE,
            stage__in=OPEN,
        )
        for version in rows.select_related("key__application").order_by("key__name", "number"):
            if (version.key.target, version.number) in places:
                found.setdefault(version.key, []).append(version.number)
    return found
