"""App keys: issued, limited, copied again, given a new secret."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from keys import tokens, vault
from keys.audit import Action, Actor
from keys.lifecycle import inputs, versions
from keys.lifecycle.errors import Conflict, Invalid
from keys.lifecycle.journal import note_key
from keys.lifecycle.locks import hold_application, hold_key
from keys.lifecycle.names import one_of_a_name
from keys.lifecycle.provider_keys import known_provider
from keys.models import AppKey, AppKeyVersion, Application
from keys.states import CHANGEABLE, Stage
from keys.vault import Secret

DEFAULT_OVERLAP = 86400  # seconds
RATES = ("per_minute", "per_day", "per_month", "concurrency")


def create_app_key(
    actor: Actor,
    application: Application,
    *,
    name: str,
    providers: Sequence[str] | None = None,
    environment: str = "live",
    expires_at: datetime | None = None,
    per_minute: int | None = None,
    per_day: int | None = None,
    per_month: int | None = None,
    concurrency: int | None = None,
    endpoints: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    ips: Sequence[str] | None = None,
) -> tuple[AppKey, Secret]:
    """A new app key and its text; None is no limit of that kind."""
    key = AppKey(
        name=inputs.clean_name(name),
        environment=inputs.clean_environment(environment),
        **_clean_limits(
            providers=providers,
            expires_at=expires_at,
            per_minute=per_minute,
            per_day=per_day,
            per_month=per_month,
            concurrency=concurrency,
            endpoints=endpoints,
            methods=methods,
            ips=ips,
        ),
    )
    with one_of_a_name(AppKey, application, key.name), transaction.atomic():
        issued = insert(actor, application, key).issued
    if issued is None:
        raise Conflict("This key was not issued.")
    return key, issued


def insert(actor: Actor, application: Application, key: AppKey) -> AppKey:
    """Save a key with its first version in the caller's transaction; its text is `.issued`."""
    hold_application(actor, application.pk)
    key.application, key.created_by = application, actor.user
    key.save(force_insert=True)
    key.issued = issue(key, 1)
    note_key(
        actor,
        Action.APP_KEY_CREATED,
        key,
        environment=key.environment,
        limits=key.limits,
        **versions.named(key, 1, key.issued),
    )
    return key


def set_limits(actor: Actor, app_key: AppKey, **limits: Any) -> None:
    """Change the limits given (None takes one away); the others stay.

    They are create_app_key's (per_minute, per_day, per_month, concurrency, providers, endpoints,
    methods, ips, expires_at) and dangerous_endpoints: an owner's word, not of whoever makes a key.
    """
    cleaned = _clean_limits(**limits)
    with transaction.atomic():
        versions.lock_for_change(actor, app_key)
        was = AppKey.objects.filter(pk=app_key.pk).values(*cleaned).get() if cleaned else {}
        changed = {name: value for name, value in cleaned.items() if value != was[name]}
        if not changed:
            return
        AppKey.objects.filter(pk=app_key.pk).update(**changed)
        for name, value in changed.items():
            setattr(app_key, name, value)
        before = {name: was[name] for name in changed}
        limits = AppKey.objects.get(pk=app_key.pk).limits
        told = {"was": before, "now": changed, "limits": limits}
        note_key(actor, Action.LIMITS_CHANGED, app_key, **told)


def copy_app_key(actor: Actor, key: AppKey) -> Secret:
    """The text of the key once more. Conflict where the application shows keys once."""
    with transaction.atomic():
        hold_key(actor, key)
        if key.state not in CHANGEABLE:
            raise Conflict(f"This key is {key.state}: there is nothing to copy.")
        version = versions.current(key)
        if not version.sealed:
            raise Conflict("This application shows its app keys once: rotate it for a new one.")
        secret = vault.unseal(versions.slot_of(key, version), version.sealed)
        note_key(actor, Action.APP_KEY_COPIED, key, version=version.number)
    return secret


def rotate_app_key(
    actor: Actor,
    key: AppKey,
    *,
    overlap_seconds: int = DEFAULT_OVERLAP,
    silent_seconds: int | None = None,
    shown: bool = True,
) -> Secret:
    """A new text for the key; the old one works until the overlap ends (see `end_overlaps`).

    `shown`: whether the actor is shown it, which counts as having seen it.
    """
    overlap = inputs.clean_overlap(overlap_seconds)
    silent = inputs.clean_silence(silent_seconds, overlap)
    with transaction.atomic():
        versions.lock_for_change(actor, key)
        now = timezone.now()
        versions.require_no_open_rotation(key, now)
        versions.step_down(versions.current(key), now + overlap, now, silent)
        number = versions.next_number(key)
        secret = issue(key, number)
        note_key(
            actor,
            Action.ROTATION_STARTED,
            key,
            overlap_seconds=overlap_seconds,
            silent_seconds=silent,
            **({} if shown else {"unseen": True}),
            **versions.named(key, number, secret),
        )
    return secret


def issue(key: AppKey, number: int) -> Secret:
    secret = Secret(tokens.new_app_key(key.environment, key.pk))
    # Read anew: the policy may have changed since the caller read the application.
    once = Application.objects.values_list("show_app_keys_once", flat=True)
    keep = not once.get(pk=key.application_id)
    slot = versions.slot_for(key, number)
    AppKeyVersion.objects.create(
        key=key,
        number=number,
        stage=Stage.CURRENT,
        lookup=vault.lookup_of(secret),
        sealed=vault.seal(slot, secret) if keep else "",
        last4=secret.last4,
        promoted_at=timezone.now(),
    )
    return secret


def _clean_limits(**limits: Any) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for name, value in limits.items():
        if name in RATES:
            cleaned[name] = inputs.clean_limit(value, name)
        elif name == "providers":
            cleaned[name] = _clean_providers(value)
        elif name in ("endpoints", "dangerous_endpoints"):
            cleaned[name] = inputs.clean_endpoints(value, name)
        elif name == "methods":
            cleaned[name] = inputs.clean_methods(value)
        elif name == "ips":
            cleaned[name] = inputs.clean_ips(value)
        elif name == "expires_at":
            cleaned[name] = inputs.clean_expiry(value)
        else:
            raise TypeError(f"no such limit: {name}")
    return cleaned


def _clean_providers(slugs: Sequence[str] | None) -> list[str] | None:
    if slugs is None:
        return None
    if not slugs:
        raise Invalid("providers", "An empty list would allow nothing; leave it out to allow all.")
    found = dict.fromkeys(known_provider(slug, field="providers").slug for slug in slugs)
    return list(found)
