"""Provider keys: a secret sealed as a new key and tested on the spot, or revealed on purpose."""

from dataclasses import replace
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys import audit, health, providers, validation, vault, watching
from keys.audit import Action, Actor
from keys.evidence import Evidence
from keys.lifecycle import inputs, versions
from keys.lifecycle.errors import Conflict, Invalid
from keys.lifecycle.journal import note_key
from keys.lifecycle.locks import hold_application, hold_key
from keys.lifecycle.names import one_of_a_name
from keys.lifecycle.shares import require_share
from keys.models import Application, ProviderKey, ProviderKeyVersion
from keys.providers import ProviderSpec, UnknownProvider
from keys.states import OPEN, KeyState, Stage, Verdict
from keys.vault import Secret

PROBE_TIMEOUT = 10.0  # seconds somebody waits for the first verdict
# The queue of checks leaves a key alone while its first probe is under way.
GRACE = timedelta(seconds=PROBE_TIMEOUT + 5)


def add_provider_key(
    actor: Actor,
    application: Application,
    *,
    name: str,
    provider: str,
    secret: Secret | str,
    **share: int | None,
) -> ProviderKey:
    """Seal a secret as a new key and ask the provider about it; `.trimmed` tells of whitespace.

    Whatever the provider says, the key is there: its verdict tells. `share` is its part in the
    pool (`set_share`).
    """
    name = inputs.clean_name(name)
    require_share(share)
    spec = known_provider(provider)
    cleaned, trimmed = inputs.clean_secret(secret)
    made = ProviderKey(name=name, provider=spec.slug, **share)
    with one_of_a_name(ProviderKey, application, name), transaction.atomic():
        key = insert(actor, application, made, cleaned)
    key.trimmed = trimmed
    take_first_verdict(key, spec, cleaned)
    return key


def reveal_provider_key(actor: Actor, key: ProviderKey, *, reason: str) -> Secret:
    """The current secret, once the reason is written down: no audit row, no reveal."""
    reason = inputs.clean_reason(reason)
    with transaction.atomic():
        hold_key(actor, key)
        version = versions.current(key)
        secret = vault.unseal(versions.slot_of(key, version), version.sealed)
        note_key(actor, Action.PROVIDER_KEY_REVEALED, key, reason=reason, version=version.number)
    return secret


def known_provider(slug: str, field: str = "provider") -> ProviderSpec:
    try:
        return providers.get(slug)
    except UnknownProvider:
        raise Invalid(field, f"There is no provider “{slug[:60]}”.") from None


def insert(actor: Actor, application: Application, key: ProviderKey, secret: Secret) -> ProviderKey:
    """Save a key with its first version, current at once; in the caller's transaction."""
    hold_application(actor, application.pk)  # duplicates are seen: one adds after the other
    return insert_held(actor, application, key, secret, known_provider(key.provider))


def insert_held(
    actor: Actor, application: Application, key: ProviderKey, secret: Secret, spec: ProviderSpec
) -> ProviderKey:
    """`insert` for who holds the application already and has read the provider since."""
    require_new_secret(application, spec, secret)
    key.application, key.created_by = application, actor.user
    key.next_check_at = key.next_check_at or timezone.now() + GRACE
    key.save(force_insert=True)
    version = add_version(key, 1, secret, spec, stage=Stage.CURRENT, promoted_at=timezone.now())
    told = {"provider": key.provider, **versions.named(key, 1, secret, spec)}
    versions.note_in_use(actor, Action.PROVIDER_KEY_ADDED, key, version, **told)
    return key


def add_version(
    key: ProviderKey, number: int, secret: Secret, spec: ProviderSpec, **fields: object
) -> ProviderKeyVersion:
    version = ProviderKeyVersion(
        key=key,
        number=number,
        sealed=vault.seal(versions.slot_for(key, number, spec.bound_to), secret),
        fingerprint=vault.fingerprint(secret),
        entered_for=spec.bound_to,
        last4=secret.last4,
        **fields,
    )
    version.save(force_insert=True)
    return version


def check_provider_key(actor: Actor, key: ProviderKey) -> Evidence:
    """Ask the provider now, on somebody's wish; what it says is in the evidence and the verdict."""
    evidence = validation.check_now(key)
    watching.look_now(key)  # what was ended here: whether the provider refuses it too
    with transaction.atomic():
        hold_key(actor, key)
        audit.record(
            actor,
            Action.PROVIDER_KEY_CHECKED,
            key.target,
            key.application,
            name=key.name,
            meaning=evidence.meaning,
        )
        key.refresh_from_db()
    return evidence


def take_first_verdict(
    key: ProviderKey, spec: ProviderSpec, secret: Secret, *, version: int = 1
) -> None:
    """Probe and write what it says into `key`; a provider that is slow leaves it unchecked."""
    if spec.probe is not None:
        evidence = validation.probe(spec, secret, timeout=PROBE_TIMEOUT)
        if not timed_out(evidence):
            health.record(key.pk, replace(evidence, version=version))
    trimmed = key.trimmed
    with transaction.atomic():
        hold_key(Actor.system("first verdict"), key)
        key.refresh_from_db()
    key.trimmed = trimmed


def timed_out(evidence: Evidence) -> bool:
    """Whether the provider hasn't answered in the time somebody waits: nothing is known yet."""
    return evidence.meaning is Verdict.UNKNOWN and evidence.code == "timeout"


def require_new_secret(application: Application, spec: ProviderSpec, secret: Secret) -> None:
    """Conflict when a key of the application that isn't revoked uses this very secret.

    One that was entered for another base URL isn't in use: it is entered again.
    Invalid when it was reported compromised, wherever that was.
    """
    fingerprint = vault.fingerprint(secret)
    if versions.got_out(fingerprint):
        raise Invalid(
            "secret", "This secret was reported compromised: make a new one at the provider."
        )
    found = (
        ProviderKeyVersion.objects.filter(fingerprint=fingerprint)
        .filter(key__application=application, stage__in=OPEN)
        .exclude(~Q(entered_for=spec.bound_to), key__provider=spec.slug)
        .exclude(key__state=KeyState.REVOKED)
        .select_related("key")
        .first()
    )
    if found is not None:
        raise Conflict(
            f"This secret is already here, as the provider key “{found.key.name}”.",
            existing=found.key_id,
        )
