"""Versions of both kinds of keys: stages moved by compare-and-swap along the table of states."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from keys import providers, vault
from keys.audit import Action, Actor
from keys.lifecycle.errors import Conflict
from keys.lifecycle.journal import note_key
from keys.lifecycle.locks import hold_key
from keys.models import AppKeyVersion, GotOut, Key, KeyVersion, ProviderKey, ProviderKeyVersion
from keys.providers import ProviderSpec
from keys.states import CHANGEABLE, STAGES, Stage
from keys.vault import Secret, Slot


def slot_of(key: Key, version: KeyVersion) -> Slot:
    """Where the text of this version of the key is sealed."""
    entered_for = version.entered_for if isinstance(version, ProviderKeyVersion) else ""
    return slot_for(key, version.number, entered_for)


def slot_for(key: Key, number: int, address: str = "") -> Slot:
    """The same for one that is to be made; a provider's secret is entered for an address."""
    if isinstance(key, ProviderKey):
        place = (key.application_id, key.pk, number)
        return vault.provider_key_slot(*place, key.provider, address)
    return vault.app_key_slot(key.application_id, key.pk, number)


def digest_of(key: ProviderKey, number: int, address: str, secret: Secret) -> str:
    """What the trail names a provider's secret by: with the provider and address it is for."""
    return vault.digest(slot_for(key, number), secret, f"{key.provider} {address}")


def named(
    key: Key, number: int, secret: Secret, spec: ProviderSpec | None = None
) -> dict[str, object]:
    """A new version as the audit trail tells of it: another secret put in its place is seen.

    An app key is told of by the hash it is found by, since its text may not be kept; a provider's
    secret with the provider and the address that it is for (`spec`, where it was read already).
    """
    if isinstance(key, ProviderKey):
        spec = spec or providers.get(key.provider)
        digest = digest_of(key, number, spec.bound_to, secret)
    else:
        digest = vault.digest(slot_for(key, number), Secret(vault.lookup_of(secret)))
    return {"version": number, "digest": digest, "last4": secret.last4}


def lock_for_change(actor: Actor, key: Key) -> None:
    """Lock a key that isn't over yet; Conflict for a revoked or expired one."""
    hold_key(actor, key)
    if key.state not in CHANGEABLE:
        raise Conflict(f"This key is {key.state}: it can't be changed any more.")


def at_stage(key: Key, *stages: Stage) -> KeyVersion | None:
    """The key's version at one of these stages; of each there is at most one."""
    return _versions(key).filter(stage__in=stages).first()


def current(key: Key) -> KeyVersion:
    version = at_stage(key, Stage.CURRENT)
    if version is None:
        raise Conflict("This key has no current version.")
    return version


def next_number(key: Key) -> int:
    newest = _versions(key).order_by("-number").values_list("number", flat=True).first()
    return (newest or 0) + 1


def got_out(fingerprint: str) -> bool:
    """Whether this provider's secret was reported compromised, in whichever key."""
    return GotOut.objects.filter(fingerprint=fingerprint).exists()


def give_up(key: ProviderKey, numbers: Collection[int], now: datetime) -> None:
    """Write down of these versions' secrets that they got out: here, and wherever else they are."""
    rows = key.versions.filter(number__in=numbers)
    rows.update(compromised_at=now)
    out = [GotOut(fingerprint=found) for found in rows.values_list("fingerprint", flat=True)]
    GotOut.objects.bulk_create(out, ignore_conflicts=True)


def is_out(version: KeyVersion) -> bool:
    """Whether the secret of this version was reported compromised, here or elsewhere."""
    if isinstance(version, ProviderKeyVersion):
        return got_out(version.fingerprint)
    return version.compromised_at is not None


def require_not_out(version: KeyVersion) -> None:
    """Conflict for a version whose secret got out: it must not come into use, or stay longer."""
    if is_out(version):
        raise Conflict("This secret was reported compromised: it can't come into use.")


def note_in_use(actor: Actor, action: Action, key: Key, used: KeyVersion, **detail: object) -> None:
    """Write down that this version comes into use, or stays longer; Conflict if it got out.

    Asked last, while the trail's head is held: a report that another application's owner makes
    at the same moment came before, and is seen here, or comes after.
    """
    note_key(actor, action, key, **detail)
    require_not_out(used)


def move(version: KeyVersion, to: Stage, **fields: Any) -> None:
    """Move one version's stage; Conflict if somebody else moved it first."""
    was = Stage(version.stage)
    if to not in STAGES.get(was, frozenset()):
        raise Conflict(f"A {was} version can't become {to}.")
    moved = type(version)._default_manager.filter(pk=version.pk, stage=was)
    if moved.update(stage=to, **fields) != 1:
        raise Conflict("Somebody else changed this key at the same moment.")
    version.stage = to
    for name, value in fields.items():
        setattr(version, name, value)


def retire(version: KeyVersion, now: datetime) -> None:
    move(version, Stage.RETIRED, retires_at=None, retired_at=now)


def step_down(
    version: KeyVersion, retires_at: datetime, now: datetime, silent_seconds: int | None = None
) -> None:
    """The current version serves on as the previous one until `retires_at`, if that is to come.

    With `silent_seconds` it goes earlier once it has been silent so long, and later if not.
    """
    if retires_at <= now or is_out(version):
        retire(version, now)
    else:
        fields = {"retires_at": retires_at, "silent_seconds": silent_seconds, "extensions": 0}
        move(version, Stage.PREVIOUS, **fields)


def put_off(version: KeyVersion, retires_at: datetime, **fields: Any) -> None:
    """A previous version goes on until then; Conflict if it isn't one any more."""
    rows = type(version)._default_manager.filter(pk=version.pk, stage=Stage.PREVIOUS)
    if rows.update(retires_at=retires_at, **fields) != 1:
        raise Conflict("Somebody else changed this key at the same moment.")
    version.retires_at = retires_at


def require_no_open_rotation(key: Key, now: datetime) -> None:
    """Conflict while a version is pending or an overlap open; an overlap past its end is closed."""
    if at_stage(key, Stage.PENDING, Stage.TESTED):
        raise Conflict("A rotation of this key is pending: finish or cancel it first.")
    previous = at_stage(key, Stage.PREVIOUS)
    if previous is None:
        return
    if previous.retires_at is None or previous.retires_at > now:
        raise Conflict("The overlap of the last rotation is open: finish or cancel it first.")
    retire(previous, now)
    actor = Actor.system("end_overlaps")
    note_key(actor, Action.OVERLAP_ENDED, key, retired=previous.number)


def _versions(key: Key) -> QuerySet[Any]:
    if isinstance(key, ProviderKey):
        return ProviderKeyVersion.objects.filter(key=key)
    return AppKeyVersion.objects.filter(key=key)
