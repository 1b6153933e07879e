"""The vault's doctor: opens every secret, and holds it against what the audit trail tells of it.

A secret that doesn't open gives its key the verdict `undecryptable`. One that opens but is not
the one the trail names was put there past Keydeck: an older row, an older sealed text, another
row's. So was a key that works although the trail says that it was ended. Nothing that is opened
leaves this module.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from keys import health, vault
from keys.audit import Actor, verify
from keys.doctor.trail import Told, Trail, read_trail
from keys.evidence import Evidence
from keys.lifecycle.errors import Conflict
from keys.lifecycle.locks import hold_key
from keys.lifecycle.versions import digest_of, slot_of
from keys.models import (
    AppKey,
    AppKeyVersion,
    Application,
    KeyVersion,
    ProviderKeyVersion,
)
from keys.states import CHANGEABLE, WORKING, KeyState, Stage, Verdict
from keys.vault import Sealed, Secret, Undecryptable

DOCTOR = Actor.system("doctor")
UNDECRYPTABLE = "undecryptable"
NO_MASTER = "no_master"  # its application's data key is wrapped by a master that isn't loaded
_SHUT = (UNDECRYPTABLE, NO_MASTER)
NOT_THE_ONE = "not_the_one"  # opens, but the trail names another
WRONG_STAGE = "wrong_stage"  # the trail says that another version is current
WRONG_HASH = "wrong_hash"  # the hash by which it is found is another secret's
WRONG_STATE = "wrong_state"  # the trail says that the key is revoked, expired or disabled
WRONG_LIMITS = "wrong_limits"  # the trail tells of other limits, or of another end
CAME_BACK = "came_back"  # works, though the trail says that it was ended
UNTOLD = "untold"  # the trail doesn't tell of it
MISSING = "missing"  # the trail tells of it, and it is gone
UNMARKED = "unmarked"  # the trail says that it was reported compromised, its row doesn't
GOT_OUT = "got_out"  # works, though its secret was reported compromised as another key's
BROKEN_TRAIL = "broken_trail"  # the audit chain doesn't verify: nothing it tells can be relied on
SLACK = timedelta(minutes=1)  # between an act and the event that tells of it
OLD_DATA_KEY = "old_data_key"  # sealed under a data key that was rotated away
WORDS = {
    UNDECRYPTABLE: "does not open with the keys of this vault",
    NO_MASTER: "is sealed under a master key that is not loaded",
    NOT_THE_ONE: "is not the secret that the audit trail names",
    WRONG_STAGE: "is not the version that the audit trail calls current",
    WRONG_HASH: "is stored with the hash of another secret",
    WRONG_STATE: "is of a key whose state is not the one that the audit trail tells",
    WRONG_LIMITS: "is of a key whose limits are not those that the audit trail tells",
    CAME_BACK: "works, though the audit trail says that it was ended or has got out",
    UNTOLD: "is not in the audit trail",
    MISSING: "is gone, though the audit trail tells of it",
    UNMARKED: "is not marked as compromised, though the audit trail says it is",
    GOT_OUT: "is in use, though its secret was reported compromised elsewhere",
    BROKEN_TRAIL: "does not verify: verify the chain on the audit page",
    OLD_DATA_KEY: "is sealed under a data key that was rotated away",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One version of a key whose stored secret is not what it should be."""

    key: str  # "provider_key:<id>"
    application: str  # its id
    name: str
    version: int
    code: str


@dataclass(slots=True)
class Report:
    """What an examination came to."""

    opened: int = 0
    findings: list[Finding] = field(default_factory=list)


def examine() -> Report:
    """Open every secret; mark the keys that don't, and unmark those that do again.

    Raises Sealed when the master key isn't there: then nothing is known, and nothing changes.
    """
    vault.ensure_system_secrets()
    trail = read_trail()
    report = Report()
    chain = verify()
    if not chain.ok:
        at = chain.broken_at or chain.events
        report.findings.append(Finding("audit:", "", "The audit trail", at, BROKEN_TRAIL))
    seen: dict[str, set[int]] = {}
    for version in _versions():
        seen.setdefault(version.key.target, set()).add(version.number)
        code = look(version, trail)
        # Rows and trail were read at different times: what looks wrong is looked at once more
        # while nobody can act on the key.
        if code and (code := _look_again(version, trail)):
            report.findings.append(_finding(version, code))
        elif version.sealed:
            report.opened += 1
    report.findings += _missing(trail, seen)
    _mark(report)
    return report


def _missing(trail: Trail, seen: dict[str, set[int]]) -> Iterator[Finding]:
    """What the trail tells of applications that are here, and no row is left of."""
    here = set(Application.objects.values_list("pk", flat=True))
    for target, told in trail.keys.items():
        if told.application in here:
            for number in sorted(told.digests.keys() - seen.get(target, set())):
                yield Finding(target, told.application, told.name, number, MISSING)


def _versions() -> Iterator[KeyVersion]:
    for model in (ProviderKeyVersion, AppKeyVersion):
        rows = model._default_manager.select_related("key__application")
        yield from rows.order_by("pk").iterator(chunk_size=500)


def look(version: KeyVersion, trail: Trail) -> str:
    """What is wrong with this version, or ""."""
    key, told = version.key, trail.keys.get(version.key.target, Told())
    if code := _look_inside(version, told.digests.get(version.number)):
        return code
    if version.number not in told.digests:
        return UNTOLD
    newest = trail.data_keys.get(key.application_id, 0)
    if version.sealed and (vault.data_key_version(version.sealed) or 0) < newest:
        return OLD_DATA_KEY
    if version.number in told.out and not _is_marked(version, trail):
        return UNMARKED
    return _look_outside(version, told) or _look_elsewhere(version, trail)


def _is_marked(version: KeyVersion, trail: Trail) -> bool:
    """Whether the rows say of a version that was reported compromised that it was."""
    kept = not isinstance(version, ProviderKeyVersion) or version.fingerprint in trail.marked
    return kept and version.compromised_at is not None


def _look_elsewhere(version: KeyVersion, trail: Trail) -> str:
    """Whether this version is in use with a secret that got out as another key's, or ""."""
    if not isinstance(version, ProviderKeyVersion) or version.key.state == KeyState.REVOKED:
        return ""
    out = version.stage in WORKING and version.fingerprint in trail.got_out
    return GOT_OUT if out else ""


def _look_inside(version: KeyVersion, digest: str | None) -> str:
    """What is wrong with the sealed text of this version and its hash, or ""."""
    slot = slot_of(version.key, version)
    if isinstance(version, AppKeyVersion):
        # The trail names the hash: the text isn't kept where an application shows keys once.
        if digest not in (None, vault.digest(slot, Secret(version.lookup))):
            return WRONG_HASH
        if not version.sealed:
            return ""
    try:
        secret = vault.unseal(slot, version.sealed)
    except Undecryptable:
        return UNDECRYPTABLE
    except Sealed:
        return NO_MASTER
    if isinstance(version, AppKeyVersion):
        return "" if version.lookup == vault.lookup_of(secret) else NOT_THE_ONE
    number, address = version.number, version.entered_for
    if digest not in (None, digest_of(version.key, number, address, secret)):
        return NOT_THE_ONE
    return "" if version.fingerprint == vault.fingerprint(secret) else WRONG_HASH


def _look_outside(version: KeyVersion, told: Told) -> str:
    """Whether this version works though it shouldn't, or the other way round, or ""."""
    key, stage = version.key, version.stage
    if told.moved_to not in (None, key.state):
        return WRONG_STATE
    if told.current is None:
        return ""
    if (stage == Stage.CURRENT) != (version.number == told.current):
        return WRONG_STAGE
    if stage == Stage.CURRENT and isinstance(key, AppKey) and told.limits not in (None, key.limits):
        return WRONG_LIMITS
    ended = stage == Stage.PREVIOUS and (
        version.number != told.previous or _too_long(version, told)
    )
    works = key.state in CHANGEABLE and stage in WORKING
    return CAME_BACK if works and (ended or version.number in told.out) else ""


def _too_long(version: KeyVersion, told: Told) -> bool:
    """Whether a previous version's overlap ends later than the trail tells, or never."""
    ends = version.retires_at
    return ends is None or (told.until is not None and ends > told.until + SLACK)


def _look_again(version: KeyVersion, before: Trail) -> str:
    try:
        with transaction.atomic():
            hold_key(DOCTOR, version.key)
            version.refresh_from_db()
            trail = read_trail(version.key)
            trail.got_out |= before.got_out
            return look(version, trail)
    except (Conflict, type(version).DoesNotExist):
        return ""  # gone meanwhile


def _finding(version: KeyVersion, code: str) -> Finding:
    key = version.key
    return Finding(key.target, key.application_id, key.name, version.number, code)


def _mark(report: Report) -> None:
    """The verdicts of provider keys: `undecryptable` where the secret in use doesn't open."""
    shut = {(found.key, found.version) for found in report.findings if found.code in _SHUT}
    for version in ProviderKeyVersion.objects.filter(stage=Stage.CURRENT).select_related("key"):
        key = version.key
        if (key.target, version.number) in shut:
            health.record(key.pk, _evidence(version.number))
        elif key.verdict == Verdict.UNDECRYPTABLE:
            with transaction.atomic():
                hold_key(DOCTOR, key)
                health.forget(key, timezone.now())


def _evidence(version: int) -> Evidence:
    return Evidence(
        meaning=Verdict.UNDECRYPTABLE,
        at=timezone.now(),
        code=UNDECRYPTABLE,
        message=f"The stored secret {WORDS[UNDECRYPTABLE]}",
        version=version,
    )
