"""A secret that got out: refused here at once, replaced if there is another, watched elsewhere.

Nothing waits for the provider: a new secret is in use before it was asked about, since the old
one must not come back whatever it says.
"""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from keys import health, watching
from keys.audit import Action, Actor
from keys.lifecycle import inputs, versions
from keys.lifecycle.app_keys import issue
from keys.lifecycle.errors import Conflict
from keys.lifecycle.journal import note_key
from keys.lifecycle.locks import hold_key
from keys.lifecycle.provider_keys import (
    add_version,
    known_provider,
    require_new_secret,
    take_first_verdict,
)
from keys.lifecycle.transitions import revoke
from keys.models import AppKey, AppKeyVersion, Key, ProviderKey, ProviderKeyVersion
from keys.states import KeyState, Stage
from keys.vault import Secret

OUT = (Stage.CURRENT, Stage.PREVIOUS, Stage.RETIRED)  # what may still be taken somewhere


def report_compromised(
    actor: Actor, key: Key, *, reason: str, secret: Secret | str = "", replace: bool = False
) -> Secret | None:
    """End every secret of the key now, without overlap.

    The key is revoked, unless a provider key's new `secret` is given or an app key is to be
    replaced: then it goes on with that alone. Returns an app key's new text. Of a key that was
    revoked before it is written down, and a provider's secret watched.
    """
    reason = inputs.clean_reason(reason)
    given = inputs.clean_secret(secret)[0] if secret else None
    new: Secret | None = None
    told: dict[str, object] = {}
    with transaction.atomic():
        hold_key(actor, key)
        now = timezone.now()
        lost = _mark(key, now)
        if isinstance(key, ProviderKey) and given is not None:
            told["replaced_by"] = _put_in(actor, key, given, now)
        elif isinstance(key, AppKey) and replace:
            told["replaced_by"], new = _issue_anew(actor, key, now)
        elif key.state != KeyState.REVOKED:
            revoke(actor, key)
        elif not lost:
            raise Conflict("This key was reported compromised already.")
        note_key(actor, Action.KEY_COMPROMISED, key, reason=reason, versions=lost, **told)
    if isinstance(key, ProviderKey) and given is not None:
        number = versions.current(key).number
        take_first_verdict(key, known_provider(key.provider), given, version=number)
    return new


def report_secrets(
    actor: Actor, key: ProviderKey, fingerprints: Collection[str], *, reason: str
) -> None:
    """End those of the key's secrets that got out and are not its current one: the previous
    one and one that waits. The current one serves on."""
    reason = inputs.clean_reason(reason)
    with transaction.atomic():
        hold_key(actor, key)
        now = timezone.now()
        lost = []
        for version in key.versions.filter(fingerprint__in=fingerprints).order_by("number"):
            if version.stage == Stage.PREVIOUS:
                versions.retire(version, now)
            elif version.stage in (Stage.PENDING, Stage.TESTED):
                versions.move(version, Stage.FAILED)
            else:
                continue
            lost.append(version.number)
        if not lost:
            raise Conflict("Somebody else ended this secret there already.")
        versions.give_up(key, lost, now)
        watching.watch(key, lost, now)
        note_key(actor, Action.KEY_COMPROMISED, key, reason=reason, versions=lost)


def _mark(key: Key, now: datetime) -> list[int]:
    """Write on the versions that they got out; a provider's are watched until it refuses them.

    Returns their numbers, without those of which it was known.
    """
    if isinstance(key, ProviderKey):
        rows = ProviderKeyVersion.objects.filter(key=key, stage__in=OUT, compromised_at=None)
        numbers = list(rows.order_by("number").values_list("number", flat=True))
        versions.give_up(key, numbers, now)
        watching.watch(key, numbers, now)
        return numbers
    mine = AppKeyVersion.objects.filter(key=key, stage__in=OUT, compromised_at=None)
    numbers = list(mine.order_by("number").values_list("number", flat=True))
    mine.update(compromised_at=now, sealed="")
    return numbers


def _put_in(actor: Actor, key: ProviderKey, secret: Secret, now: datetime) -> int:
    spec = known_provider(key.provider)
    number = _end_all(actor, key, now)  # also of one that waits with this very secret
    require_new_secret(key.application, spec, secret)
    version = add_version(key, number, secret, spec, stage=Stage.CURRENT, promoted_at=now)
    told = {"overlap_seconds": 0, **versions.named(key, number, secret, spec)}
    versions.note_in_use(actor, Action.ROTATION_STARTED, key, version, **told)
    note_key(actor, Action.ROTATION_PROMOTED, key, version=number, tested=False)
    health.forget(key, now)
    return number


def _issue_anew(actor: Actor, key: AppKey, now: datetime) -> tuple[int, Secret]:
    number = _end_all(actor, key, now)
    secret = issue(key, number)
    told = {"overlap_seconds": 0, **versions.named(key, number, secret)}
    note_key(actor, Action.ROTATION_STARTED, key, **told)
    return number, secret


def _end_all(actor: Actor, key: Key, now: datetime) -> int:
    """Retire what is in use and drop what waits; returns the number of the one to come."""
    versions.lock_for_change(actor, key)
    waiting = versions.at_stage(key, Stage.PENDING, Stage.TESTED)
    if waiting is not None:
        versions.move(waiting, Stage.FAILED)
    for stage in (Stage.PREVIOUS, Stage.CURRENT):
        version = versions.at_stage(key, stage)
        if version is not None:
            versions.retire(version, now)
    return versions.next_number(key)
