"""One secret vaulted for several applications: found by its fingerprint, rotated in one act."""

from collections.abc import Sequence
from functools import partial

from django.db.models import Q

from keys.audit import Actor
from keys.lifecycle.app_keys import DEFAULT_OVERLAP
from keys.lifecycle.compromise import report_compromised
from keys.lifecycle.errors import LifecycleError
from keys.lifecycle.rotation import rotate_provider_key
from keys.models import ProviderKey, ProviderKeyVersion
from keys.states import KeyState, Stage
from keys.vault import Secret


def same_secret(key: ProviderKey) -> list[ProviderKey]:
    """The keys of other applications that use this key's secret, or one of its that got out."""
    asked = Q(stage=Stage.CURRENT) | Q(compromised_at__isnull=False)
    mine = ProviderKeyVersion.objects.filter(asked, key=key).values("fingerprint")
    rows = ProviderKeyVersion.objects.filter(
        fingerprint__in=mine, stage=Stage.CURRENT, key__provider=key.provider
    )
    others = rows.exclude(key__application=key.application_id).exclude(key__state=KeyState.REVOKED)
    found = others.select_related("key__application").order_by("key__application__name", "key")
    return [version.key for version in found]


def rotate_everywhere(
    actor: Actor,
    key: ProviderKey,
    others: Sequence[ProviderKey],
    *,
    secret: Secret | str,
    overlap_seconds: int = DEFAULT_OVERLAP,
    silent_seconds: int | None = None,
    accept_untested: bool = False,
) -> tuple[ProviderKeyVersion, dict[ProviderKey, str]]:
    """Rotate a key, and with its new secret the others, if the provider took it.

    Returns the key's new version and, of the others that could not be rotated, why.
    Raises as `rotate_provider_key` does for the key itself; then nothing has changed anywhere.
    """
    rotate = partial(
        rotate_provider_key,
        actor,
        secret=secret,
        overlap_seconds=overlap_seconds,
        silent_seconds=silent_seconds,
        accept_untested=accept_untested,
    )
    version = rotate(key)
    refused: dict[ProviderKey, str] = {}
    if version.stage != Stage.CURRENT:
        return version, dict.fromkeys(others, "The new secret waits: finish this rotation first.")
    for other in others:
        try:
            if rotate(other).stage != Stage.CURRENT:
                refused[other] = "Its new secret waits to be used on purpose."
        except LifecycleError as error:
            refused[other] = error.message
    return version, refused


def report_everywhere(
    actor: Actor,
    key: ProviderKey,
    others: Sequence[ProviderKey],
    *,
    reason: str,
    secret: Secret | str = "",
) -> dict[ProviderKey, str]:
    """Report a key compromised, and the others that share its secret; why not, of those left."""
    report_compromised(actor, key, reason=reason, secret=secret)
    refused: dict[ProviderKey, str] = {}
    for other in others:
        try:
            report_compromised(actor, other, reason=reason, secret=secret)
        except LifecycleError as error:
            refused[other] = error.message
    return refused
