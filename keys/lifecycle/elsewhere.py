"""One secret vaulted for several applications: found by its fingerprint, ended in one act."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from django.db.models import Q

from keys.audit import Actor
from keys.health import Evidence
from keys.lifecycle.app_keys import DEFAULT_OVERLAP
from keys.lifecycle.compromise import report_compromised, report_secrets
from keys.lifecycle.errors import Conflict, LifecycleError, why_not
from keys.lifecycle.rotation import ask, rotate_provider_key
from keys.models import ProviderKey, ProviderKeyVersion
from keys.providers import ProviderSpec
from keys.states import OPEN, WORKING, KeyState, Stage
from keys.vault import Secret, VaultError


def same_secret(key: ProviderKey, stages: Collection[Stage] = OPEN) -> list[ProviderKey]:
    """The keys of other applications that have this key's secret, or one of its that got out, at
    one of these stages: as their current one, or in a rotation."""
    rows = ProviderKeyVersion.objects.filter(
        fingerprint__in=_fingerprints(key), stage__in=stages, key__provider=key.provider
    )
    others = rows.exclude(key__application=key.application_id).exclude(key__state=KeyState.REVOKED)
    found = others.select_related("key__application").order_by("key__application__name", "key")
    return list({version.key_id: version.key for version in found}.values())


def same_versions(key: ProviderKey, numbers: Collection[int]) -> dict[ProviderKey, list[int]]:
    """The keys of other applications that work with one of these secrets, and as which versions."""
    prints = key.versions.filter(number__in=numbers).values_list("fingerprint", flat=True)
    rows = ProviderKeyVersion.objects.filter(fingerprint__in=list(prints), stage__in=WORKING)
    others = rows.exclude(key__application=key.application_id).exclude(key__state=KeyState.REVOKED)
    found: dict[ProviderKey, list[int]] = {}
    for version in others.select_related("key__application").order_by("key", "number"):
        found.setdefault(version.key, []).append(version.number)
    return found


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

    The provider is asked once. Returns the key's new version and, of the others that could not
    be rotated, why. Raises as `rotate_provider_key` does for the key itself; then nothing has
    changed anywhere.
    """
    told: list[Evidence | None] = []

    def test(spec: ProviderSpec, secret: Secret) -> Evidence | None:
        told.append(told[0] if told else ask(spec, secret))
        return told[0]

    rotate = partial(
        rotate_provider_key,
        actor,
        secret=secret,
        overlap_seconds=overlap_seconds,
        silent_seconds=silent_seconds,
        accept_untested=accept_untested,
        test=test,
    )
    version = rotate(key)
    if version.stage != Stage.CURRENT:
        return version, dict.fromkeys(others, "The new secret waits: finish this rotation first.")

    def follow(other: ProviderKey) -> None:
        if rotate(other).stage != Stage.CURRENT:
            raise Conflict("Its new secret waits to be used on purpose.")

    return version, _each(others, follow)


def report_everywhere(
    actor: Actor,
    key: ProviderKey,
    others: Sequence[ProviderKey],
    *,
    reason: str,
    secret: Secret | str = "",
) -> dict[ProviderKey, str]:
    """Report a key compromised, and the others that share its secret; why not, of those left.

    Where the secret isn't the current one, it alone is ended.
    """
    report_compromised(actor, key, reason=reason, secret=secret)
    lost = _fingerprints(key)

    def follow(other: ProviderKey) -> None:
        if other.versions.filter(stage=Stage.CURRENT, fingerprint__in=lost).exists():
            report_compromised(actor, other, reason=reason, secret=secret)
        else:
            report_secrets(actor, other, lost, reason=reason)

    return _each(others, follow)


def _fingerprints(key: ProviderKey) -> set[str]:
    """Of the key's secrets that others may have as well: the current one and what got out."""
    asked = Q(stage=Stage.CURRENT) | Q(compromised_at__isnull=False)
    return set(key.versions.filter(asked).values_list("fingerprint", flat=True))


def _each(
    others: Sequence[ProviderKey], act: Callable[[ProviderKey], object]
) -> dict[ProviderKey, str]:
    """Do this to one after the other; why not, of those that refused."""
    refused: dict[ProviderKey, str] = {}
    for other in others:
        try:
            act(other)
        except (LifecycleError, VaultError) as error:
            refused[other] = why_not(error)
    return refused
