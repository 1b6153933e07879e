"""What the audit trail tells of keys: which versions there are, and which of them may work."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from keys.audit import Action, told
from keys.models import LIMITS, AppKey, AuditEvent, GotOut, Key, ProviderKey, ProviderKeyVersion
from keys.states import KeyState

_STATES = {
    Action.KEY_DISABLED: KeyState.DISABLED,
    Action.KEY_ENABLED: KeyState.ACTIVE,
    Action.KEY_REVOKED: KeyState.REVOKED,
    Action.KEY_EXPIRED: KeyState.EXPIRED,
}
KIND = ProviderKey.kind
_MADE = (Action.PROVIDER_KEY_ADDED, Action.APP_KEY_CREATED)
# What the doctor reads; keys.audit.carrying keeps it when the trail is archived.
TELLING = (
    *_MADE,
    *_STATES,
    Action.LIMITS_CHANGED,
    Action.ROTATION_STARTED,
    Action.ROTATION_PROMOTED,
    Action.ROTATION_CANCELLED,
    Action.ROTATION_FINISHED,
    Action.OVERLAP_ENDED,
    Action.OVERLAP_EXTENDED,
    Action.KEY_COMPROMISED,
    Action.DATA_KEY_ROTATED,
)


@dataclass(slots=True)
class Told:
    """What the trail tells of one key."""

    application: str = ""  # its id
    name: str = ""
    digests: dict[int, str] = field(default_factory=dict)  # of its versions
    overlaps: dict[int, int] = field(default_factory=dict)  # seconds its forerunner serves on
    current: int | None = None
    previous: int | None = None
    until: datetime | None = None  # when the overlap of the previous one ends
    moved_to: KeyState | None = None  # None: never moved
    out: set[int] = field(default_factory=set)  # versions that were reported compromised
    limits: dict[str, Any] | None = None  # of an app key

    def read(self, action: str, at: datetime, detail: dict[str, Any], *, app_key: bool) -> None:
        version = detail.get("version")
        if isinstance(version, int) and "digest" in detail:
            self.digests[version] = detail["digest"]
            self.overlaps[version] = detail.get("overlap_seconds", 0)
        if "limits" in detail:  # one that came with a later version was not set then
            self.limits = {**dict.fromkeys(LIMITS), **detail["limits"]}
        if action in _STATES:
            self.moved_to = _STATES[Action(action)]
        elif action == Action.KEY_COMPROMISED:
            self.out.update(detail["versions"])
        elif action in _MADE:
            self.current, self.moved_to = version, KeyState.ACTIVE
        elif action == Action.ROTATION_PROMOTED or (action == Action.ROTATION_STARTED and app_key):
            overlap = self.overlaps.get(version, 0) if version else 0
            self.previous = self.current if overlap else None
            self.until = at + timedelta(seconds=overlap)
            self.current = version
        elif action == Action.OVERLAP_EXTENDED:
            self.until = datetime.fromisoformat(detail["retires_at"])
        elif action in (Action.ROTATION_FINISHED, Action.OVERLAP_ENDED):
            self.previous = None
        elif "brought_back" in detail:  # a rotation that was cancelled
            self.current, self.previous = detail["brought_back"], None


@dataclass(slots=True)
class Trail:
    """What the audit trail tells: of keys, and of applications the data key rotated to."""

    keys: dict[str, Told] = field(default_factory=dict)
    data_keys: dict[str, int] = field(default_factory=dict)
    marked: set[str] = field(default_factory=set)  # fingerprints kept as got out (`GotOut`)
    # The same, and those of versions that the trail itself says were reported compromised.
    got_out: set[str] = field(default_factory=set)

    def read(self, event: AuditEvent) -> None:
        kind, _, id = event.target.partition(":")
        if event.action == Action.DATA_KEY_ROTATED:
            self.data_keys[id] = event.detail["version"]
        else:
            known = self.keys.setdefault(event.target, Told(event.application_id))
            known.name = event.detail.get("name", known.name)
            known.read(event.action, event.at, event.detail, app_key=kind == AppKey.kind)


def read_trail(key: Key | None = None) -> Trail:
    """What the audit trail tells of all keys, or of one."""
    trail = Trail(marked=set(GotOut.objects.values_list("fingerprint", flat=True)))
    events = AuditEvent.objects.filter(action__in=[*TELLING, Action.AUDIT_CARRIED])
    if key is not None:
        events = events.filter(target__in=[key.target, f"application:{key.application_id}"])
    for event in told(events):
        if event.action in TELLING:
            trail.read(event)
    trail.got_out = trail.marked | _reported(trail)
    return trail


def _reported(trail: Trail) -> set[str]:
    out = {target: told.out for target, told in trail.keys.items() if told.out}
    ids = [id for kind, _, id in (target.partition(":") for target in out) if kind == KIND]
    rows = ProviderKeyVersion.objects.filter(key__in=ids)
    found = rows.values_list("key_id", "number", "fingerprint")
    return {print for id, number, print in found if number in out[f"{KIND}:{id}"]}
