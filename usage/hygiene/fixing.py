"""What is done about a finding, through `keys.lifecycle`; or that it may wait.

Where a new secret is needed no click can make it: the fix leads to the key's own form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.http import Http404
from django.utils import timezone

from keys import audit, lifecycle, permissions
from keys.audit import Action, Actor
from keys.lifecycle import Conflict, Invalid
from keys.lifecycle.locks import hold_application
from keys.models import KEYS, AppKey, Key
from keys.permissions import Act
from usage.hygiene.sweeping import look_again
from usage.models import HygieneFinding

EXPIRES_IN = timedelta(days=90)
SNOOZES = (7, 30, 90)  # days


@dataclass(frozen=True, slots=True)
class Fix:
    """`run` does it at once; else the form of this name of the key's page does."""

    words: str
    on_app_keys: Act
    run: Callable[[Actor, Key, HygieneFinding], None] | None = None
    form: str = ""

    def right(self, kind: str) -> Act:
        return self.on_app_keys if kind == AppKey.kind else Act.MANAGE_PROVIDER_KEYS


def _disable(actor: Actor, key: Key, finding: HygieneFinding) -> None:
    del finding
    lifecycle.disable(actor, key)


def _expire(actor: Actor, key: Key, finding: HygieneFinding) -> None:
    del finding
    if isinstance(key, AppKey):
        lifecycle.set_limits(actor, key, expires_at=timezone.now() + EXPIRES_IN)


def _own(actor: Actor, key: Key, finding: HygieneFinding) -> None:
    del finding
    lifecycle.describe(actor, key, owner=actor.user.email if actor.user else "")


def _limit(actor: Actor, key: Key, finding: HygieneFinding) -> None:
    if isinstance(key, AppKey):
        lifecycle.set_limits(actor, key, per_day=finding.detail["suggested"])


_ROTATE = Fix("Rotate it", Act.ROTATE_APP_KEY, form="rotate")
FIXES: dict[str, Fix] = {
    "seen_by_leaver": _ROTATE,
    "shared_secret": Fix("Give it its own secret", Act.ROTATE_APP_KEY, form="rotate"),
    "old_secret": _ROTATE,
    "no_limit": Fix("Limit it", Act.MANAGE_POLICY, _limit),
    "loose_limit": Fix("Tighten it", Act.MANAGE_POLICY, _limit),
    "no_expiry": Fix("End it in 90 days", Act.MANAGE_POLICY, _expire),
    "no_owner": Fix("I answer for it", Act.CREATE_APP_KEY, _own),
    "never_used": Fix("Disable it", Act.REVOKE_APP_KEY, _disable),
    "unused": Fix("Disable it", Act.REVOKE_APP_KEY, _disable),
}


def key_of(finding: HygieneFinding) -> Key:
    """The key that a finding is about. Raises Http404."""
    kind, _, id = finding.target.partition(":")
    rows = KEYS[kind]._default_manager.select_related("application")
    key = rows.filter(pk=id, application=finding.application_id).first()
    if key is None:
        raise Http404("This key is gone")
    return key


def fix(actor: Actor, finding: HygieneFinding) -> str:
    """Does what there is to do and looks again; returns the words for it. Raises Conflict.

    Findings are as old as the last sweep, and a key may be in use since: it is looked at first.
    """
    way, key = FIXES[finding.code], key_of(finding)
    if actor.user is not None:
        permissions.require(actor.user, key.application, way.right(key.kind))
    if way.run is None:
        raise Conflict(f"This needs a new secret: {way.words.lower()} on the key’s page.")
    look_again(key)
    fresh = HygieneFinding.objects.filter(pk=finding.pk).first()
    if fresh is None:
        raise Conflict("This is no longer so: nothing was done.")
    way.run(actor, key, fresh)
    look_again(key)
    return way.words


def snooze(actor: Actor, finding: HygieneFinding, days: int) -> None:
    """Let it wait for so many days. Raises Invalid."""
    if days not in SNOOZES:
        raise Invalid("days", f"One of {', '.join(map(str, SNOOZES))}.")
    way, key = FIXES[finding.code], key_of(finding)
    if actor.user is not None:
        permissions.require(actor.user, key.application, way.right(key.kind))
    until = timezone.now() + timedelta(days=days)
    with transaction.atomic():
        hold_application(actor, key.application_id)
        rows = HygieneFinding.objects.filter(pk=finding.pk)
        if not rows.update(snoozed_until=until, snoozed_by=actor.name):
            raise Conflict("This is done already.")
        told = {"name": key.name, "finding": finding.code, "until": until}
        audit.record(actor, Action.HYGIENE_SNOOZED, key.target, key.application, **told)
