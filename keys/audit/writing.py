"""The one audit writer: a chain of keyed hashes, in the caller's transaction (DESIGN door 5).

The key derives from SECRET_KEY, not from the vault: audit goes on while the vault is sealed,
and somebody who can write to the database alone can't make a chain that verifies.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, OperationalError, connection, transaction
from django.http import HttpRequest
from django.utils import timezone

from keys.addresses import request_address
from keys.derived import derived_key
from keys.models import ApiToken, Application, AuditEvent, AuditHead, User


class Action(StrEnum):
    """Every act that is written down; the list is closed."""

    ADMIN_CREATED = "admin.created"
    APPLICATION_CREATED = "application.created"
    APPLICATION_DELETED = "application.deleted"
    POLICY_CHANGED = "application.policy_changed"
    MEMBER_ADDED = "member.added"
    MEMBER_CHANGED = "member.changed"
    MEMBER_REMOVED = "member.removed"
    PROVIDER_CREATED = "provider.created"
    BASE_URL_CHANGED = "provider.base_url_changed"
    PRICES_CHANGED = "provider.prices_changed"
    PROVIDER_KEY_ADDED = "provider_key.added"
    PROVIDER_KEY_REVEALED = "provider_key.revealed"
    PROVIDER_KEY_CHECKED = "provider_key.checked"
    CHECKS_STARTED = "provider_key.checks_started"
    APP_KEY_CREATED = "app_key.created"
    APP_KEY_COPIED = "app_key.copied"
    SHARE_CHANGED = "provider_key.share_changed"
    LIMITS_CHANGED = "app_key.limits_changed"
    ROTATION_STARTED = "rotation.started"
    ROTATION_REFUSED = "rotation.refused"
    ROTATION_PROMOTED = "rotation.promoted"
    ROTATION_FINISHED = "rotation.finished"
    ROTATION_CANCELLED = "rotation.cancelled"
    OVERLAP_EXTENDED = "rotation.overlap_extended"
    OVERLAP_ENDED = "rotation.overlap_ended"
    KEY_DESCRIBED = "key.described"
    KEY_DISABLED = "key.disabled"
    KEY_ENABLED = "key.enabled"
    KEY_REVOKED = "key.revoked"
    KEY_COMPROMISED = "key.compromised"
    KEY_EXPIRED = "key.expired"
    ROTATION_QUEUED = "key.rotation_queued"
    ROTATION_DISMISSED = "key.rotation_dismissed"
    BATCH_STARTED = "batch.started"
    BATCH_STOPPED = "batch.stopped"
    BATCH_ENDED = "batch.ended"
    SIGNED_IN = "user.signed_in"
    SIGN_IN_FAILED = "user.sign_in_failed"
    SIGNED_OUT = "user.signed_out"
    SESSIONS_ENDED = "user.sessions_ended"
    PASSWORD_CHANGED = "user.password_changed"  # noqa: S105 - a word, not a secret
    FACTOR_ADDED = "user.second_factor_added"
    FACTOR_REMOVED = "user.second_factor_removed"
    DEACTIVATED = "user.deactivated"
    REACTIVATED = "user.reactivated"
    PASSWORD_LINK_MADE = "user.password_link_made"  # noqa: S105 - a word, not a secret
    MASTER_KEY_ADDED = "vault.master_key_added"
    MASTER_KEY_RETIRED = "vault.master_key_retired"
    REWRAPPED = "vault.rewrapped"
    DATA_KEY_MADE = "data_key.made"
    DATA_KEY_ROTATED = "data_key.rotated"
    DATA_KEY_DESTROYED = "data_key.destroyed"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - a word, not a secret
    QUARANTINE_RETRIED = "quarantine.retried"
    QUARANTINE_LET_GO = "quarantine.let_go"
    DIFFERENCES_ACKNOWLEDGED = "comparison.differences_acknowledged"
    ALERT_RULE_CREATED = "alert_rule.created"
    ALERT_RULE_CHANGED = "alert_rule.changed"
    ALERT_RULE_DELETED = "alert_rule.deleted"
    ALERT_CHANNEL_CREATED = "alert_channel.created"
    ALERT_CHANNEL_CHANGED = "alert_channel.changed"
    ALERT_CHANNEL_DELETED = "alert_channel.deleted"
    ALERT_CHANNEL_TESTED = "alert_channel.tested"
    HYGIENE_SNOOZED = "hygiene.snoozed"
    AUDIT_ARCHIVED = "audit.archived"
    AUDIT_CARRIED = "audit.carried"
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - a word, not a secret


DEMO = "demo"  # who makes the demo application; nobody’s own work


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a person, or the system under a name."""

    user: User | None
    name: str
    address: str = ""
    token: str = ""  # name of the API token, where one was used
    token_id: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> "Actor":
        used = getattr(request, "auth", None)  # set by REST
        with_token = (used.name, used.pk) if isinstance(used, ApiToken) else ()
        return cls.person(request.user, request_address(request.META), *with_token)

    @classmethod
    def person(
        cls,
        user: AbstractBaseUser | AnonymousUser,
        address: str = "",
        token: str = "",
        token_id: str = "",
    ) -> "Actor":
        if not isinstance(user, User):
            raise TypeError("nobody is signed in")
        return cls(user, user.email, address, token, token_id)

    @classmethod
    def system(cls, name: str) -> "Actor":
        return cls(None, name)


# What a chain goes on from whose head was taken away or forged: it never verifies again.
_LOST = "lost"


class AuditRefused(OperationalError):
    """The database is there, and takes no event: without one nothing is done."""


def begin_chain(**_: object) -> None:
    """After migrating: makes the head of a fresh installation's chain, one without a person."""
    if AuditHead._meta.db_table not in connection.introspection.table_names():
        return
    if not User.objects.exists() and not AuditHead.objects.exists():
        head = AuditHead(pk=1)
        seal_head(head)
        head.save(force_insert=True)


def record(
    actor: Actor,
    action: Action,
    target: str,
    application: Application | None = None,
    **detail: object,
) -> AuditEvent:
    """Append one event to the chain. Raises outside a transaction: no act without its row."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("an audit event is written in the transaction of what it tells of")
    head, _ = AuditHead.objects.select_for_update().get_or_create(pk=1)
    if not is_sealed(head):
        head.digest = _LOST
    if actor.token:
        detail["api_token"] = actor.token
    event = AuditEvent(
        at=timezone.now(),
        actor=actor.user,
        actor_name=actor.name,
        action=Action(action),
        application_id=application.pk if application else "",
        target=target,
        detail=json.loads(json.dumps(detail, default=_plain)),
        address=actor.address,
    )
    event.digest = digest_of(head.digest, event)
    try:
        event.save(force_insert=True)
    except OperationalError:
        raise
    except DatabaseError as error:
        raise AuditRefused(f"the audit trail takes no event ({type(error).__name__})") from error
    head.digest = event.digest
    head.events += 1
    seal_head(head)
    head.save()
    return event


def digest_of(previous: str, event: AuditEvent) -> str:
    """The keyed hash of an event and all before it, hex."""
    told = [
        previous,
        event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        event.actor_id,
        event.actor_name,
        event.action,
        event.application_id,
        event.target,
        event.detail,
        event.address,
    ]
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hmac.digest(derived_key("audit chain"), text.encode(), hashlib.sha256).hex()


def is_sealed(head: AuditHead) -> bool:
    """Whether the head is as it was written here."""
    return hmac.compare_digest(head.seal.encode(), _seal_of(head).encode())


def seal_head(head: AuditHead) -> None:
    head.seal = _seal_of(head)


def seal(of: str, *told: object) -> str:
    """A keyed hash of what a head or an anchor says; one of either is never one of the other."""
    text = json.dumps([of, *told], separators=(",", ":"))
    return hmac.digest(derived_key("audit seal"), text.encode(), hashlib.sha256).hex()


def _seal_of(head: AuditHead) -> str:
    """Keyed too, so that cutting off the chain's end needs more than an older digest."""
    archived = (head.archived_events, head.archived_digest, head.archived_to)
    return seal("head", head.events, head.digest, *archived)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
