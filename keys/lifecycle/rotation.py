"""A provider key's new secret: pending, tested, current; the old one serves on as previous."""

from collections.abc import Callable
from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from keys import health, validation
from keys.audit import Action, Actor
from keys.evidence import Evidence
from keys.lifecycle import inputs, versions
from keys.lifecycle.app_keys import DEFAULT_OVERLAP
from keys.lifecycle.errors import Conflict, Invalid
from keys.lifecycle.journal import note_key
from keys.lifecycle.locks import hold_key
from keys.lifecycle.provider_keys import (
    PROBE_TIMEOUT,
    add_version,
    known_provider,
    require_new_secret,
)
from keys.models import ProviderKey, ProviderKeyVersion
from keys.providers import ProviderSpec
from keys.states import CHANGEABLE, Stage, Verdict
from keys.vault import Secret

UNTESTED = {
    "meaning": Verdict.UNCHECKED,
    "message": "This provider has no free request to test with",
}


def rotate_provider_key(
    actor: Actor,
    key: ProviderKey,
    *,
    secret: Secret | str,
    overlap_seconds: int = DEFAULT_OVERLAP,
    silent_seconds: int | None = None,
    accept_untested: bool = False,
    test: Callable[[ProviderSpec, Secret], Evidence | None] | None = None,
) -> ProviderKeyVersion:
    """Bring in a new secret; it becomes current when the provider takes it.

    Invalid when the provider refuses it (the old secret stays current); a version whose test
    came to nothing stays pending, to be finished or cancelled, unless that is accepted before.
    `test` says what the provider thinks of the secret, where it isn't asked anew.
    """
    spec = known_provider(key.provider)
    cleaned, _ = inputs.clean_secret(secret)
    overlap = inputs.clean_overlap(overlap_seconds)
    silent = inputs.clean_silence(silent_seconds, overlap)
    version = _begin(actor, key, cleaned, int(overlap.total_seconds()), silent)
    evidence = (test or ask)(spec, cleaned)
    if evidence is not None:
        evidence = replace(evidence, version=version.number)
    version = _settle(actor, key, version, evidence, accept_untested)
    if version.stage == Stage.FAILED:
        raise Invalid("secret", "Rejected by the provider: the key it had stays in use.")
    return version


def ask(spec: ProviderSpec, secret: Secret) -> Evidence | None:
    """What the provider says of a secret; None: it has no free request to ask with."""
    return validation.probe(spec, secret, timeout=PROBE_TIMEOUT) if spec.probe else None


def promote(actor: Actor, key: ProviderKey, version: ProviderKeyVersion, **detail: object) -> None:
    """Make a tested version current, in the caller's transaction; the key's row is locked."""
    now = timezone.now()
    overlap = inputs.clean_overlap(version.overlap_seconds)
    versions.step_down(versions.current(key), now + overlap, now, version.silent_seconds)
    versions.move(version, Stage.CURRENT, promoted_at=now)
    told = {"version": version.number, **detail}
    versions.note_in_use(actor, Action.ROTATION_PROMOTED, key, version, **told)


def _begin(
    actor: Actor, key: ProviderKey, secret: Secret, overlap: int, silent: int | None
) -> ProviderKeyVersion:
    with transaction.atomic():
        versions.lock_for_change(actor, key)
        versions.require_no_open_rotation(key, timezone.now())
        spec = known_provider(key.provider)
        require_new_secret(key.application, spec, secret)
        number = versions.next_number(key)
        asked = {"overlap_seconds": overlap, "silent_seconds": silent}
        version = add_version(key, number, secret, spec, stage=Stage.PENDING, **asked)
        told = {**asked, **versions.named(key, number, secret, spec)}
        versions.note_in_use(actor, Action.ROTATION_STARTED, key, version, **told)
    return version


def _settle(
    actor: Actor,
    key: ProviderKey,
    version: ProviderKeyVersion,
    evidence: Evidence | None,
    accept_untested: bool = False,
) -> ProviderKeyVersion:
    """What the test's evidence (None: there was nothing to test with) makes of the version."""
    with transaction.atomic():
        hold_key(actor, key)
        version.refresh_from_db()
        if key.state not in CHANGEABLE or version.stage != Stage.PENDING:
            raise Conflict("This rotation was ended by somebody else during the test.")
        kept = evidence.as_json() if evidence else UNTESTED
        unclear = evidence is None or evidence.meaning in (Verdict.UNKNOWN, Verdict.UNCHECKED)
        if evidence and evidence.meaning is Verdict.DEAD:
            versions.move(version, Stage.FAILED, evidence=kept)
            note_key(
                actor, Action.ROTATION_REFUSED, key, version=version.number, code=evidence.code
            )
        elif unclear and not accept_untested:
            version.evidence = kept
            version.save(update_fields=["evidence"])
        else:
            versions.move(version, Stage.TESTED, evidence=kept)
            on_purpose = {"on_purpose": True} if unclear else {}
            promote(actor, key, version, tested=not unclear, **on_purpose)
            health.forget(key, timezone.now())
            if evidence:
                health.record(key.pk, evidence)
        key.refresh_from_db()
    return version
