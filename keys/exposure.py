"""Who has seen which secret, read from the audit trail: nobody sees one without a row in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from keys.audit import Action, times, told
from keys.lifecycle.journal import Key, target_of
from keys.models import (
    AppKey,
    AppKeyVersion,
    Application,
    AuditEvent,
    ProviderKey,
    ProviderKeyVersion,
    User,
)
from keys.states import Stage

SHOWN = frozenset({Action.PROVIDER_KEY_REVEALED, Action.APP_KEY_COPIED})
# An app key's text is handed to whoever makes it; a provider key's is brought along.
HANDED_OVER = frozenset({Action.APP_KEY_CREATED, Action.ROTATION_STARTED})
IN_USE = (Stage.CURRENT, Stage.PREVIOUS)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who has a secret of a key that is in use."""

    name: str
    times: int
    last: datetime
    reason: str  # the last one given


def seen_by(key: Key) -> list[Viewer]:
    """Who has seen a secret of this key that works still, the latest first."""
    target = target_of(key)
    events = AuditEvent.objects.filter(
        Q(target=target, action__in=SHOWN | HANDED_OVER)
        | Q(application_id=key.application_id, action=Action.AUDIT_CARRIED)
    )
    numbers = set(key.versions.filter(stage__in=IN_USE).values_list("number", flat=True))
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


def seen(user: User, application: Application) -> list[Key]:
    """The keys of the application of which this person has a secret that works still."""
    events = AuditEvent.objects.filter(
        Q(actor=user, action__in=SHOWN | HANDED_OVER) | Q(action=Action.AUDIT_CARRIED),
        application_id=application.pk,
    )
    places = {
        (event.target, event.detail.get("version"))
        for event in told(events)
        if event.actor_id == user.pk and _exposes(event)
    }
    return [*_working(ProviderKeyVersion, application, places),
            *_working(AppKeyVersion, application, places)]  # fmt: skip


def everywhere(user: User) -> list[Key]:
    """The same over all applications: what to rotate when somebody leaves."""
    shown = AuditEvent.objects.filter(
        Q(actor=user, action__in=SHOWN | HANDED_OVER) | Q(action=Action.AUDIT_CARRIED)
    )
    ids = shown.values_list("application_id", flat=True).distinct()
    applications = Application.objects.filter(pk__in=ids).order_by("name")
    return [key for application in applications for key in seen(user, application)]


def _exposes(event: AuditEvent) -> bool:
    handed_over = event.action in HANDED_OVER and event.target.startswith("app_key:")
    return event.action in SHOWN or handed_over


def _working(
    model: type[ProviderKeyVersion] | type[AppKeyVersion],
    application: Application,
    places: Iterable[tuple[str, object]],
) -> list[Key]:
    wanted = set(places)
    rows = model._default_manager.filter(
        key__application=application, key__state__in=("active", "disabled"), stage__in=IN_USE
    )
    found: dict[str, ProviderKey | AppKey] = {}
    for version in rows.select_related("key__application").order_by("key__name"):
        if (target_of(version.key), version.number) in wanted:
            found.setdefault(version.key.pk, version.key)
    return list(found.values())
