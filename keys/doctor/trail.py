"""What the audit trail tells of keys: which versions there are, and which of them may work."""

from dataclasses import dataclass, field
from typing import Any

from keys.audit import Action, told
from keys.models import AppKey, AuditEvent, Key
from keys.states import KeyState

_STATES = {
    Action.KEY_DISABLED: KeyState.DISABLED,
    Action.KEY_ENABLED: KeyState.ACTIVE,
    Action.KEY_REVOKED: KeyState.REVOKED,
    Action.KEY_EXPIRED: KeyState.EXPIRED,
}
_MADE = (Action.PROVIDER_KEY_ADDED, Action.APP_KEY_CREATED)
# What the doctor reads; keys.audit.carrying keeps it when the trail is archived.
TELLING = (
    *_MADE,
    *_STATES,
    Action.ROTATION_STARTED,
    Action.ROTATION_PROMOTED,
    Action.ROTATION_CANCELLED,
    Action.ROTATION_FINISHED,
    Action.OVERLAP_ENDED,
    Action.KEY_COMPROMISED,
    Action.DATA_KEY_ROTATED,
)


@dataclass(slots=True)
class Told:
    """What the trail tells of one key."""

    digests: dict[int, str] = field(default_factory=dict)  # of its versions
    overlaps: dict[int, int] = field(default_factory=dict)  # seconds its forerunner serves on
    current: int | None = None
    previous: int | None = None
    moved_to: KeyState | None = None  # None: never moved
    out: set[int] = field(default_factory=set)  # versions that were reported compromised

    def read(self, action: str, detail: dict[str, Any], *, app_key: bool) -> None:
        version = detail.get("version")
        if isinstance(version, int) and "digest" in detail:
            self.digests[version] = detail["digest"]
            self.overlaps[version] = detail.get("overlap_seconds", 0)
        if action in _STATES:
            self.moved_to = _STATES[Action(action)]
        elif action == Action.KEY_COMPROMISED:
            self.out.update(detail["versions"])
        elif action in _MADE:
            self.current = version
        elif action == Action.ROTATION_PROMOTED or (action == Action.ROTATION_STARTED and app_key):
            self.previous = self.current if version and self.overlaps.get(version) else None
            self.current = version
        elif action in (Action.ROTATION_FINISHED, Action.OVERLAP_ENDED):
            self.previous = None
        elif "brought_back" in detail:  # a rotation that was cancelled
            self.current, self.previous = detail["brought_back"], None


@dataclass(slots=True)
class Trail:
    """What the audit trail tells: of keys, and of applications the data key rotated to."""

    keys: dict[str, Told] = field(default_factory=dict)
    data_keys: dict[str, int] = field(default_factory=dict)

    def read(self, target: str, action: str, detail: dict[str, Any]) -> None:
        kind, _, id = target.partition(":")
        if action == Action.DATA_KEY_ROTATED:
            self.data_keys[id] = detail["version"]
        else:
            known = self.keys.setdefault(target, Told())
            known.read(action, detail, app_key=kind == AppKey.kind)


def read_trail(key: Key | None = None) -> Trail:
    """What the audit trail tells of all keys, or of one."""
    trail = Trail()
    events = AuditEvent.objects.filter(action__in=[*TELLING, Action.AUDIT_CARRIED])
    if key is not None:
        events = events.filter(target__in=[key.target, f"application:{key.application_id}"])
    for event in told(events):
        if event.action in TELLING:
            trail.read(event.target, event.action, event.detail)
    return trail
