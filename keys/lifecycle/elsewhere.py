"""One secret vaulted for several applications: found by its fingerprint, rotated in one act."""

from collections.abc import Sequence
from functools import partial

from keys.audit import Actor
from keys.lifecycle.app_keys import DEFAULT_OVERLAP
from keys.lifecycle.errors import LifecycleError
from keys.lifecycle.rotation import rotate_provider_key
from keys.models import ProviderKey, ProviderKeyVersion
from keys.states import KeyState, Stage
from keys.vault import Secret


def same_secret(key: ProviderKey) -> list[ProviderKey]:
    """The keys of other applications whose secret in use is this key's."""
    mine = ProviderKeyVersion.objects.filter(key=key, stage=Stage.CURRENT).values("fingerprint")
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
