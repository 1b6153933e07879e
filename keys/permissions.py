"""Who may what (DESIGN section 2): one table, and the getters that ask it.

Outsiders get a 404 for everything; members whose role is too weak a PermissionDenied.
"""

from enum import StrEnum
from typing import TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from keys.models import AppKey, Application, AuditEvent, Membership, ProviderKey, User
from keys.states import Role

Anybody = AbstractBaseUser | AnonymousUser
Key = TypeVar("Key", ProviderKey, AppKey)


class Act(StrEnum):
    """What can be done in one application."""

    SEE = "see"
    COPY_APP_KEY = "copy_app_key"
    CREATE_APP_KEY = "create_app_key"
    ROTATE_APP_KEY = "rotate_app_key"
    REVOKE_APP_KEY = "revoke_app_key"  # disable and enable too
    CHECK = "check"
    REVEAL_PROVIDER_KEY = "reveal_provider_key"
    MANAGE_PROVIDER_KEYS = "manage_provider_keys"  # add, rotate, disable, revoke
    MANAGE_POLICY = "manage_policy"  # limits too
    MANAGE_ALERTS = "manage_alerts"  # rules and channels
    MANAGE_MEMBERS = "manage_members"
    DELETE_APPLICATION = "delete_application"
    SEE_AUDIT = "see_audit"
    SEE_OWN_AUDIT = "see_own_audit"


VIEWER_ACTS = frozenset({Act.SEE})
DEVELOPER_ACTS = VIEWER_ACTS | {
    Act.COPY_APP_KEY,
    Act.CREATE_APP_KEY,
    Act.ROTATE_APP_KEY,
    Act.CHECK,
    Act.SEE_OWN_AUDIT,
}
ALLOWED: dict[Role, frozenset[Act]] = {
    Role.OWNER: frozenset(Act),
    Role.DEVELOPER: DEVELOPER_ACTS,
    Role.VIEWER: VIEWER_ACTS,
}


def is_site_admin(user: Anybody) -> bool:
    return isinstance(user, User) and user.is_active and user.is_superuser


def may(user: Anybody, application: Application, act: Act) -> bool:
    """Whether this user may do this in this application."""
    return act in acts_of(user, application)


def acts_of(user: Anybody, application: Application) -> frozenset[Act]:
    """All that this user may do in this application; nothing for outsiders."""
    if is_site_admin(user):
        return frozenset(Act)
    role = role_of(user, application)
    if role is None:
        return frozenset()
    if role is Role.DEVELOPER and application.developers_copy_provider_keys:
        return ALLOWED[role] | {Act.REVEAL_PROVIDER_KEY}
    return ALLOWED[role]


def role_of(user: Anybody, application: Application) -> Role | None:
    """The user's role in the application, None for outsiders."""
    if not isinstance(user, User) or not user.is_active:
        return None
    rows = Membership.objects.filter(user=user, application=application)
    role = rows.values_list("role", flat=True).first()
    return Role(role) if role else None


def visible_applications(user: Anybody) -> QuerySet[Application]:
    """The applications this user belongs to; a site admin sees all."""
    if is_site_admin(user):
        return Application.objects.order_by("name", "slug")
    if not isinstance(user, User) or not user.is_active:
        return Application.objects.none()
    mine = Membership.objects.filter(user=user).values("application")
    return Application.objects.filter(pk__in=mine).order_by("name", "slug")


def visible_events(user: Anybody) -> QuerySet[AuditEvent]:
    """The audit events this user may see: an owner all of an application's, a developer own acts.

    One's own acts that belong to no application (API tokens) are everybody's to see; a site
    admin sees all.
    """
    events = AuditEvent.objects.all()
    if is_site_admin(user):
        return events
    if not isinstance(user, User) or not user.is_active:
        return events.none()
    own = Q(application_id__in=applications_for(user, Act.SEE_OWN_AUDIT)) | Q(application_id="")
    return events.filter(
        Q(application_id__in=applications_for(user, Act.SEE_AUDIT)) | own & Q(actor=user)
    )


def applications_with(user: Anybody, act: Act) -> QuerySet[Application]:
    """The applications in which this user may do the act."""
    if is_site_admin(user):
        return visible_applications(user)
    if not isinstance(user, User) or not user.is_active:
        return Application.objects.none()
    return visible_applications(user).filter(pk__in=applications_for(user, act))


def applications_for(user: User, act: Act) -> QuerySet[Membership, str]:
    """Ids of the applications in which this user's role allows the act (no site admin's right)."""
    roles = [role for role, acts in ALLOWED.items() if act in acts]
    mine = Membership.objects.filter(user=user, role__in=roles)
    return mine.values_list("application_id", flat=True)


def require(user: Anybody, application: Application, act: Act) -> None:
    """Raise Http404 for outsiders, PermissionDenied for a role too weak for the act."""
    _require(user, application, act)
    if isinstance(user, User):
        user.let_in[application.pk] = act


def require_still(user: User, application: Application) -> None:
    """Ask again, in the transaction of an act, for what this person was let in with.

    Between the request and the lock that the act waited for, they may have been removed, or have
    become nobody at all. Raises as `require` does.
    """
    act = user.let_in.get(application.pk)
    if act is not None:
        _require(User.objects.get(pk=user.pk), application, Act(act))


def _require(user: Anybody, application: Application, act: Act) -> None:
    acts = acts_of(user, application)
    if Act.SEE not in acts:
        raise Http404("No such application")
    if act not in acts:
        raise PermissionDenied(f"Your role in {application.name} does not allow this")


def require_site_admin(user: Anybody) -> None:
    if not is_site_admin(user):
        raise PermissionDenied("Only a site admin may do this")


def get_application(user: Anybody, slug: str, act: Act = Act.SEE) -> Application:
    application = Application.objects.filter(slug=slug).first()
    if application is None:
        raise Http404("No such application")
    require(user, application, act)
    return application


def get_provider_key(user: Anybody, slug: str, id: str, act: Act = Act.SEE) -> ProviderKey:
    """The provider key with its application; 404 when it is another application's."""
    return _get_key(ProviderKey, user, slug, id, act)


def get_app_key(user: Anybody, slug: str, id: str, act: Act = Act.SEE) -> AppKey:
    """The app key with its application; 404 when it is another application's."""
    return _get_key(AppKey, user, slug, id, act)


def _get_key(model: type[Key], user: Anybody, slug: str, id: str, act: Act) -> Key:
    application = get_application(user, slug)
    key = model._default_manager.filter(pk=id, application=application).first()
    if key is None:
        raise Http404("No such key")
    key.application = application
    require(user, application, act)
    return key
