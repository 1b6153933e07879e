"""Who belongs to an application. It always keeps an owner."""

from django.db import IntegrityError, transaction

from keys.audit import Action, Actor
from keys.lifecycle.errors import Conflict
from keys.lifecycle.inputs import clean_email, clean_role
from keys.lifecycle.journal import note
from keys.lifecycle.locks import hold_application
from keys.models import Application, Membership, User
from keys.states import Role


def add_member(actor: Actor, application: Application, *, email: str, role: str) -> Membership:
    """Add a person; one not known yet is invited: a user without a password."""
    email, role = clean_email(email), clean_role(role)
    try:
        with transaction.atomic():
            hold_application(application.pk)
            user = User.objects.filter(email=email).first() or User.objects.create_user(email)
            membership = Membership.objects.create(application=application, user=user, role=role)
            _note(actor, Action.MEMBER_ADDED, membership, role=role)
    except IntegrityError:
        raise Conflict(f"{email} is a member already.", existing=email) from None
    return membership


def change_role(actor: Actor, membership: Membership, *, role: str) -> None:
    role = clean_role(role)
    with transaction.atomic():
        was = _lock(membership)
        if was == role:
            return
        if was == Role.OWNER:
            _require_another_owner(membership)
        Membership.objects.filter(pk=membership.pk).update(role=role)
        membership.role = role
        _note(actor, Action.MEMBER_CHANGED, membership, was=was, role=role)


def remove_member(actor: Actor, membership: Membership) -> None:
    with transaction.atomic():
        was = _lock(membership)
        if was == Role.OWNER:
            _require_another_owner(membership)
        Membership.objects.filter(pk=membership.pk).delete()
        _note(actor, Action.MEMBER_REMOVED, membership, was=was)


def _lock(membership: Membership) -> str:
    # The application's row is the lock: two owners who remove each other come one by one.
    hold_application(membership.application_id)
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
