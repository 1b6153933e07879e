"""Who belongs to an application, and what those who left have still. It always keeps an owner."""

from collections.abc import Collection, Iterable

from django.db import IntegrityError, transaction

from keys import exposure
from keys.audit import Action, Actor
from keys.lifecycle.elsewhere import same_versions
from keys.lifecycle.errors import Conflict
from keys.lifecycle.inputs import clean_email, clean_reason, clean_role
from keys.lifecycle.journal import note, note_key
from keys.lifecycle.locks import hold_application, hold_applications
from keys.models import Application, Key, Membership, ProviderKey, ToRotate, User
from keys.states import Role


def add_member(actor: Actor, application: Application, *, email: str, role: str) -> Membership:
    """Add a person; one not known yet is invited: a user without a password."""
    email, role = clean_email(email), clean_role(role)
    try:
        with transaction.atomic():
            hold_application(actor, application.pk)
            user = User.objects.filter(email=email).first() or User.objects.create_user(email)
            membership = Membership.objects.create(application=application, user=user, role=role)
            _note(actor, Action.MEMBER_ADDED, membership, role=role)
    except IntegrityError:
        raise Conflict(f"{email} is a member already.", existing=email) from None
    return membership


def change_role(actor: Actor, membership: Membership, *, role: str) -> None:
    role = clean_role(role)
    with transaction.atomic():
        was = _lock(actor, membership)
        if was == role:
            return
        if was == Role.OWNER:
            _require_another_owner(membership)
        Membership.objects.filter(pk=membership.pk).update(role=role)
        membership.role = role
        _note(actor, Action.MEMBER_CHANGED, membership, was=was, role=role)


def remove_member(actor: Actor, membership: Membership) -> list[str]:
    """Take somebody out; all they have seen that works still is queued to be rotated.

    Returns the names of those keys.
    """
    with transaction.atomic():
        held = hold_seen(actor, membership.user, [membership.application])
        was = _lock(actor, membership)
        if was == Role.OWNER:
            _require_another_owner(membership)
        Membership.objects.filter(pk=membership.pk).delete()
        _note(actor, Action.MEMBER_REMOVED, membership, was=was)
        return queue_seen(actor, membership.user, membership.application, held)


def hold_seen(actor: Actor, user: User, applications: Iterable[Application]) -> set[str]:
    """Hold these applications, and those that have a secret which this person has seen here.

    All before anything is written down, in one order; returns the ids of those held.
    """
    ids = set()
    for application in applications:
        ids.add(application.pk)
        for key, numbers in exposure.seen(user, application).items():
            if isinstance(key, ProviderKey):
                ids |= {twin.application_id for twin in same_versions(key, numbers)}
    return hold_applications(actor, ids)


def queue_seen(
    actor: Actor, user: User, application: Application, held: Collection[str]
) -> list[str]:
    """Queue what this person has seen here and works still to be rotated; returns the keys' names.

    A secret that other applications have too is queued there as well, if they are `held`
    (see `hold_seen`). In the caller's transaction.
    """
    seen = exposure.seen(user, application)
    for key, numbers in seen.items():
        _queue(actor, user, key, numbers)
        if isinstance(key, ProviderKey):
            for twin, same in same_versions(key, numbers).items():
                if twin.application_id in held:
                    _queue(actor, user, twin, same)
    return [key.name for key in seen]


def _queue(actor: Actor, user: User, key: Key, numbers: list[int]) -> None:
    """Once for each key and person, however often they left."""
    row, made = ToRotate.objects.get_or_create(
        application=key.application,
        target=key.target,
        who=user.email,
        defaults={"numbers": numbers},
    )
    new = sorted({*row.numbers, *numbers})
    if not made and new == row.numbers:
        return
    ToRotate.objects.filter(pk=row.pk).update(numbers=new)
    note_key(actor, Action.ROTATION_QUEUED, key, seen_by=user.email, versions=numbers)


def dismiss_rotation(actor: Actor, left: exposure.Left, *, reason: str) -> None:
    """Leave a key as it is although somebody who left has its secret."""
    reason = clean_reason(reason)
    with transaction.atomic():
        hold_application(actor, left.row.application_id)
        if not ToRotate.objects.filter(pk=left.row.pk).delete()[0]:
            raise Conflict("Somebody else dismissed this already.")
        told = {"seen_by": left.row.who, "reason": reason}
        note_key(actor, Action.ROTATION_DISMISSED, left.key, **told)


def _lock(actor: Actor, membership: Membership) -> str:
    # The application's row is the lock: two owners who remove each other come one by one.
    hold_application(actor, membership.application_id)
    role = Membership.objects.filter(pk=membership.pk).values_list("role", flat=True).first()
    if role is None:
        raise Conflict("This person is no longer a member.")
    return role


def _require_another_owner(membership: Membership) -> None:
    owners = Membership.objects.filter(
        application_id=membership.application_id, role=Role.OWNER, user__is_active=True
    )
    if not owners.exclude(pk=membership.pk).exists():
        raise Conflict("An application keeps at least one owner.")


def _note(actor: Actor, action: Action, membership: Membership, **detail: object) -> None:
    target = f"user:{membership.user_id}"
    note(actor, action, target, membership.application, email=membership.user.email, **detail)
