"""What every change leaves in its transaction: an audit event and a bump of the counter."""

from keys import audit, changes
from keys.audit import Action, Actor
from keys.models import Application, Key


def note(
    actor: Actor,
    action: Action,
    target: str,
    application: Application | None = None,
    **detail: object,
) -> None:
    """Audit the change and tell every process to look again."""
    audit.record(actor, action, target, application, **detail)
    changes.bump()


def note_key(actor: Actor, action: Action, key: Key, **detail: object) -> None:
    note(actor, action, key.target, key.application, name=key.name, **detail)
