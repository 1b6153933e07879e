"""What every change leaves in its transaction: an audit event and a bump of the counter."""

from keys import audit, changes
from keys.audit import Action, Actor
from keys.models import AppKey, Application, ProviderKey

Key = ProviderKey | AppKey


def target_of(key: Key) -> str:
    """`provider_key:<id>` or `app_key:<id>`."""
    kind = "provider_key" if isinstance(key, ProviderKey) else "app_key"
    return f"{kind}:{key.pk}"


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
    note(actor, action, target_of(key), key.application, name=key.name, **detail)
