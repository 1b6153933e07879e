"""One secret vaulted for several applications: found by its fingerprint, ended in one act."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from keys import vault
from keys.audit import Actor
from keys.evidence import Evidence
from keys.lifecycle import versions
from keys.lifecycle.app_keys import DEFAULT_OVERLAP
from keys.lifecycle.compromise import OUT, report_compromised, report_secrets
from keys.lifecycle.errors import Conflict, LifecycleError, why_not
from keys.lifecycle.rotation import ask, rotate_provider_key
from keys.lifecycle.rotations import finish_rotation
from keys.models import GotOut, ProviderKey, ProviderKeyVersion
from keys.providers import ProviderSpec
from keys.states import OPEN, WORKING, KeyState, Stage
from keys.vault import Secret, VaultError

WAITS = "The new secret waits: finish this rotation, and choose this key there."


def same_secret(
    key: ProviderKey, mine: Collection[Stage] = OUT, theirs: Collection[Stage] = OPEN
) -> list[ProviderKey]:
    """The other keys that have one of this key's secrets: one at the stages `mine` here, at the
    stages `theirs` there.

    By default all that would get out with this key, and all that may come into use there.
    """
    prints = key.versions.filter(stage__in=mine).values_list("fingerprint", flat=True)
    rows = ProviderKeyVersion.objects.filter(fingerprint__in=list(prints), stage__in=theirs)
    others = rows.exclude(key=key).exclude(key__state=KeyState.REVOKED)
    found = others.select_related("key__application").order_by("key__application__name", "key")
    return list({version.key_id: version.key for version in found}.values())


def same_current(key: ProviderKey) -> list[ProviderKey]:
    """The other keys of the same provider that can be rotated with this one."""
    current = [Stage.CURRENT]
    return [twin for twin in same_secret(key, current, current) if twin.provider == key.provider]


def same_versions(key: ProviderKey, numbers: Collection[int]) -> dict[ProviderKey, list[int]]:
    """The other keys that work with one of these secrets, and as which versions."""
    prints = key.versions.filter(number__in=numbers).values_list("fingerprint", flat=True)
    rows = ProviderKeyVersion.objects.filter(fingerprint__in=list(prints), stage__in=WORKING)
    others = rows.exclude(key=key).exclude(key__state=KeyState.REVOKED)
    found: dict[ProviderKey, list[int]] = {}
    for version in others.select_related("key__application").order_by("key", "number"):
        found.setdefault(version.key, []).append(version.number)
    return found


def out_elsewhere(key: ProviderKey) -> list[ProviderKeyVersion]:
    """The versions that this key works with although their secret was reported compromised, as
    another key's."""
    if key.state == KeyState.REVOKED:
        return []
    out = GotOut.objects.values("fingerprint")
    return list(key.versions.filter(stage__in=WORKING, fingerprint__in=out).order_by("-number"))


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
        return version, dict.fromkeys(others, WAITS)

    def follow(other: ProviderKey) -> None:
        if rotate(other).stage != Stage.CURRENT:
            raise Conflict("Its new secret waits to be used on purpose.")

    return version, _each(others, follow)


def finish_everywhere(
    actor: Actor, key: ProviderKey, others: Sequence[ProviderKey]
) -> dict[ProviderKey, str]:
    """Put the secret that waits into use on purpose: in this key, and then in the others.

    Returns, of the others that could not be rotated, why. Raises as `finish_rotation` does.
    """
    waiting = versions.at_stage(key, Stage.PENDING, Stage.TESTED)
    if not isinstance(waiting, ProviderKeyVersion):
        raise Conflict("No new secret of this key waits.")
    secret = vault.unseal(versions.slot_of(key, waiting), waiting.sealed)
    finish_rotation(actor, key)

    def follow(other: ProviderKey) -> None:
        rotate_provider_key(
            actor,
            other,
            secret=secret,
            overlap_seconds=waiting.overlap_seconds,
            silent_seconds=waiting.silent_seconds,
            accept_untested=True,
            test=lambda *_: None,  # it was asked when the secret came in
        )

    return _each(others, follow)


def report_everywhere(
    actor: Actor,
    key: ProviderKey,
    others: Sequence[ProviderKey],
    *,
    reason: str,
    secret: Secret | str = "",
) -> dict[ProviderKey, str]:
    """Report a key compromised, and the others that share its secret; why not, of those left.

    Where the secret isn't the current one, it alone is ended. Where the new one is there already,
    as another key, the one with the old secret is revoked. The others are ended also when the
    key itself was reported and revoked before.
    """
    lost = set(key.versions.filter(stage__in=OUT).values_list("fingerprint", flat=True))
    try:
        report_compromised(actor, key, reason=reason, secret=secret)
    except Conflict:
        if secret or not others or key.state != KeyState.REVOKED:
            raise

    def follow(other: ProviderKey) -> None:
        if not _current(other) & lost:
            report_secrets(actor, other, lost, reason=reason)
            return
        try:
            report_compromised(actor, other, reason=reason, secret=secret)
        except Conflict as error:
            if not error.existing:
                raise
            report_compromised(actor, other, reason=reason)

    return _each(others, follow)


def _current(key: ProviderKey) -> set[str]:
    return set(key.versions.filter(stage=Stage.CURRENT).values_list("fingerprint", flat=True))


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
