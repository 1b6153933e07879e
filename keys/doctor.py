"""The vault's doctor: opens every secret, and holds it against what the audit trail tells of it.

A secret that doesn't open gives its key the verdict `undecryptable`. One that opens but is not
the one the trail names was put there past Keydeck: an older row, an older sealed text. Nothing
that is opened leaves this module.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from keys import health, vault
from keys.audit import Action, told
from keys.health import Evidence
from keys.lifecycle.errors import Conflict
from keys.lifecycle.journal import Key, target_of
from keys.lifecycle.locks import hold_key
from keys.lifecycle.versions import slot_of
from keys.models import (
    AppKeyVersion,
    AuditEvent,
    DataKey,
    ProviderKeyVersion,
    VaultExamination,
)
from keys.states import Stage, Verdict
from keys.vault import Sealed, Undecryptable

EVERY = timedelta(days=1)
LEASE = timedelta(minutes=30)  # after which an examination that died is taken up by another
UNDECRYPTABLE = "undecryptable"
NOT_THE_ONE = "not_the_one"  # opens, but the trail names another
WRONG_STAGE = "wrong_stage"  # the trail says that another version is current
OLD_DATA_KEY = "old_data_key"  # sealed under a data key that was rotated away
WORDS = {
    UNDECRYPTABLE: "does not open with the keys of this vault",
    NOT_THE_ONE: "is not the secret that the audit trail names",
    WRONG_STAGE: "is not the version that the audit trail calls current",
    OLD_DATA_KEY: "is sealed under a data key that was rotated away",
}
_TELLING = (
    Action.PROVIDER_KEY_ADDED,
    Action.APP_KEY_CREATED,
    Action.ROTATION_STARTED,
    Action.ROTATION_PROMOTED,
    Action.ROTATION_CANCELLED,
    Action.DATA_KEY_ROTATED,
)


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


@dataclass(slots=True)
class _Trail:
    """What the audit trail tells: of keys their versions' digests and the current one, of
    applications the data key that was rotated to."""

    digests: dict[tuple[str, int], str] = field(default_factory=dict)
    current: dict[str, int] = field(default_factory=dict)
    data_keys: dict[str, int] = field(default_factory=dict)

    def read(self, target: str, action: str, detail: dict[str, object]) -> None:
        version = detail.get("brought_back", detail.get("version"))
        if not isinstance(version, int):
            return
        if action == Action.DATA_KEY_ROTATED:
            self.data_keys[target.partition(":")[2]] = version
            return
        digest = detail.get("digest")
        if isinstance(digest, str):
            self.digests[target, version] = digest
        if action != Action.ROTATION_STARTED or target.startswith("app_key:"):
            self.current[target] = version


def examine() -> Report:
    """Open every secret; mark the keys that don't, and unmark those that do again.

    Raises Sealed when the master key isn't there: then nothing is known, and nothing changes.
    """
    vault.ensure_system_secrets()
    trail = _trail()
    report = Report()
    for version in _versions():
        code = _look(version, trail)
        # Rows and trail were read at different times: what looks wrong is looked at once more
        # while nobody can act on the key.
        if code and (code := _look_again(version)):
            report.findings.append(_finding(version, code))
        elif not code:
            report.opened += 1
    _mark(report)
    return report


def examine_and_note() -> Report:
    """`examine`, its result kept for the pages."""
    report = examine()
    VaultExamination.objects.update_or_create(
        pk=1,
        defaults={
            "finished_at": timezone.now(),
            "opened": report.opened,
            "findings": [asdict(found) for found in report.findings],
        },
    )
    return report


def examine_if_due(now: datetime) -> Report | None:
    """The daily examination, by one process: None when it isn't due or another has it."""
    if vault.is_sealed():
        return None
    VaultExamination.objects.get_or_create(pk=1)
    due = VaultExamination.objects.filter(pk=1).exclude(finished_at__gt=now - EVERY)
    if not due.exclude(started_at__gt=now - LEASE).update(started_at=now):
        return None
    return examine_and_note()


def last_examination() -> VaultExamination | None:
    """The last one that came to its end."""
    return VaultExamination.objects.filter(pk=1, finished_at__isnull=False).first()


@dataclass(frozen=True, slots=True)
class MasterUse:
    """A master key, by its fingerprint, and how many data keys it wraps."""

    fingerprint: str
    data_keys: int
    role: str  # primary, loaded or missing


def master_keys() -> list[MasterUse]:
    """The loaded master keys, primary first, then those that are missing."""
    rows = DataKey.objects.values_list("master").annotate(n=Count("pk"))
    wrapped: dict[str, int] = dict(rows)
    try:
        loaded = vault.loaded_masters()
    except Sealed:
        loaded = []
    roles = dict.fromkeys(wrapped, "missing") | dict.fromkeys(loaded, "loaded")
    roles |= dict.fromkeys(loaded[:1], "primary")
    order = [*loaded, *sorted(roles.keys() - set(loaded))]
    return [MasterUse(name, wrapped.get(name, 0), roles[name]) for name in order]


def _trail(key: Key | None = None) -> _Trail:
    trail = _Trail()
    events = AuditEvent.objects.filter(action__in=[*_TELLING, Action.AUDIT_CARRIED])
    if key is not None:
        events = events.filter(target__in=[target_of(key), f"application:{key.application_id}"])
    for event in told(events):
        if event.action in _TELLING:
            trail.read(event.target, event.action, event.detail)
    return trail


def _versions() -> Iterator[ProviderKeyVersion | AppKeyVersion]:
    for model in (ProviderKeyVersion, AppKeyVersion):
        rows = model._default_manager.exclude(sealed="").select_related("key__application")
        yield from rows.order_by("pk").iterator(chunk_size=500)


def _look(version: ProviderKeyVersion | AppKeyVersion, trail: _Trail) -> str:
    """What is wrong with this version, or ""."""
    key = version.key
    target = target_of(key)
    try:
        secret = vault.unseal(slot_of(key, version.number), version.sealed)
    except Undecryptable:
        return UNDECRYPTABLE
    digest = trail.digests.get((target, version.number))
    if digest is not None and digest != vault.digest(slot_of(key, version.number), secret):
        return NOT_THE_ONE
    current = trail.current.get(target)
    if current is not None and (version.stage == Stage.CURRENT) != (version.number == current):
        return WRONG_STAGE
    newest = trail.data_keys.get(key.application_id, 0)
    return OLD_DATA_KEY if (vault.data_key_version(version.sealed) or 0) < newest else ""


def _look_again(version: ProviderKeyVersion | AppKeyVersion) -> str:
    try:
        with transaction.atomic():
            hold_key(version.key)
            version.refresh_from_db()
            return _look(version, _trail(version.key)) if version.sealed else ""
    except (Conflict, type(version).DoesNotExist):
        return ""  # gone meanwhile


def _finding(version: ProviderKeyVersion | AppKeyVersion, code: str) -> Finding:
    key = version.key
    return Finding(target_of(key), key.application_id, key.name, version.number, code)


def _mark(report: Report) -> None:
    """The verdicts of provider keys: `undecryptable` where the secret in use doesn't open."""
    broken = {found.key: found for found in report.findings if found.code == UNDECRYPTABLE}
    for version in ProviderKeyVersion.objects.filter(stage=Stage.CURRENT).select_related("key"):
        key = version.key
        found = broken.get(target_of(key))
        if found is not None and found.version == version.number:
            health.record(key.pk, _evidence(version.number))
        elif key.verdict == Verdict.UNDECRYPTABLE:
            with transaction.atomic():
                hold_key(key)
                health.forget(key, timezone.now())


def _evidence(version: int) -> Evidence:
    return Evidence(
        meaning=Verdict.UNDECRYPTABLE,
        at=timezone.now(),
        code=UNDECRYPTABLE,
        message=f"The stored secret {WORDS[UNDECRYPTABLE]}",
        version=version,
    )
