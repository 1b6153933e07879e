"""People of the site: kept out and let in again. There is always a site admin."""

from django.db import transaction

from keys import exposure
from keys.audit import Action, Actor
from keys.lifecycle.errors import Conflict
from keys.lifecycle.journal import note
from keys.lifecycle.members import hold_seen, queue_seen
from keys.lifecycle.tokens import revoke_token
from keys.models import ApiToken, SignedIn, User
from keys.sign_in import presence


def deactivate(actor: Actor, user: User) -> None:
    """Nobody signs in as this person any more, now or with what they had when let in again.

    Sessions, API tokens, the password and second factors end at once; whoever has the address
    then begins with a link. Memberships stay. All they have seen that works still is queued to
    be rotated.
    """
    with transaction.atomic():
        left = exposure.where(user)
        held = hold_seen(actor, user, left)
        admins = User.objects.select_for_update().filter(is_superuser=True, is_active=True)
        others = [admin.pk for admin in admins.order_by("pk") if admin.pk != user.pk]
        if actor.user is not None and actor.user.pk == user.pk:
            raise Conflict("You can't deactivate yourself.")
        if user.is_superuser and not others:
            raise Conflict("This is the last site admin.")
        if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False) != 1:
            raise Conflict(f"{user.email} is deactivated already.")
        user.is_active = False
        user.set_unusable_password()
        user.save(update_fields=["password"])
        note(actor, Action.DEACTIVATED, f"user:{user.pk}", email=user.email)
        presence.forget_credentials(user)
        for token in ApiToken.objects.filter(user=user, revoked_at=None):
            revoke_token(actor, token)
        presence.end(actor, user, SignedIn.objects.filter(user=user))
        for application in left:
            queue_seen(actor, user, application, held)


def reactivate(actor: Actor, user: User) -> None:
    with transaction.atomic():
        if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True) != 1:
            raise Conflict(f"{user.email} is active already.")
        user.is_active = True
        note(actor, Action.REACTIVATED, f"user:{user.pk}", email=user.email)
