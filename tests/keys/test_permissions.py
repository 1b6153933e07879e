"""Who may what: DESIGN's table, act by act, and what outsiders see (nothing)."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404

from keys import audit, permissions
from keys.audit import Action, Actor
from keys.models import Application, User
from keys.permissions import Act
from tests.factories import AppKeyFactory, ApplicationFactory, ProviderKeyFactory

DEVELOPERS = {
    Act.SEE,
    Act.COPY_APP_KEY,
    Act.CREATE_APP_KEY,
    Act.ROTATE_APP_KEY,
    Act.CHECK,
    Act.SEE_OWN_AUDIT,
}


@pytest.mark.parametrize("act", Act)
def test_the_table(
    application: Application,
    owner: User,
    developer: User,
    viewer: User,
    outsider: User,
    admin: User,
    act: Act,
) -> None:
    assert permissions.may(admin, application, act)
    assert permissions.may(owner, application, act)
    assert permissions.may(developer, application, act) == (act in DEVELOPERS)
    assert permissions.may(viewer, application, act) == (act is Act.SEE)
    assert not permissions.may(outsider, application, act)
    assert not permissions.may(AnonymousUser(), application, act)


def test_developers_reveal_provider_keys_where_the_application_allows(
    application: Application, developer: User, viewer: User
) -> None:
    application.developers_copy_provider_keys = True
    assert permissions.may(developer, application, Act.REVEAL_PROVIDER_KEY)
    assert not permissions.may(viewer, application, Act.REVEAL_PROVIDER_KEY)


def test_an_outsider_gets_404_and_a_weak_role_403(
    application: Application, viewer: User, outsider: User
) -> None:
    assert permissions.get_application(viewer, "shop") == application
    with pytest.raises(PermissionDenied):
        permissions.get_application(viewer, "shop", Act.MANAGE_MEMBERS)
    for user in (outsider, AnonymousUser()):
        with pytest.raises(Http404):
            permissions.get_application(user, "shop", Act.MANAGE_MEMBERS)
    with pytest.raises(Http404):
        permissions.get_application(viewer, "no-such")


def test_a_role_counts_in_its_own_application_alone(owner: User) -> None:
    other = ApplicationFactory()
    with pytest.raises(Http404):
        permissions.get_application(owner, other.slug)


def test_a_user_who_is_not_active_may_nothing(
    application: Application, owner: User, admin: User
) -> None:
    for user in (owner, admin):
        user.is_active = False
        assert not permissions.may(user, application, Act.SEE)
        assert not permissions.visible_applications(user).exists()


def test_a_key_is_found_in_its_own_application_alone(
    application: Application, owner: User, viewer: User, admin: User
) -> None:
    key, app_key = ProviderKeyFactory(application=application), AppKeyFactory()
    found = permissions.get_provider_key(viewer, "shop", key.pk, Act.SEE)
    assert (found, found.application) == (key, application)
    with pytest.raises(PermissionDenied):
        permissions.get_provider_key(viewer, "shop", key.pk, Act.CHECK)
    for user in (owner, admin):
        with pytest.raises(Http404):
            permissions.get_app_key(user, "shop", app_key.pk, Act.SEE)
    assert permissions.get_app_key(admin, app_key.application.slug, app_key.pk, Act.SEE)


def test_people_see_their_applications_and_a_site_admin_all(
    application: Application, viewer: User, outsider: User, admin: User
) -> None:
    other = ApplicationFactory()
    assert list(permissions.visible_applications(viewer)) == [application]
    assert list(permissions.visible_applications(outsider)) == []
    assert set(permissions.visible_applications(admin)) == {application, other}


def test_owners_see_the_applications_audit_and_developers_their_own_acts(
    application: Application,
    owner: User,
    developer: User,
    viewer: User,
    outsider: User,
    admin: User,
) -> None:
    for user in (owner, developer, viewer):
        with transaction.atomic():
            audit.record(Actor.person(user), Action.KEY_DISABLED, "app_key:1", application)
    with transaction.atomic():
        audit.record(Actor.person(owner), Action.TOKEN_ISSUED, "api_token:1")
    seen = {
        user.email.partition("@")[0]: permissions.visible_events(user).count()
        for user in (owner, developer, viewer, outsider, admin)
    }
    assert seen == {"owner": 4, "developer": 1, "viewer": 0, "outsider": 0, "admin": 4}


def test_some_acts_are_the_site_admins_alone(owner: User, admin: User) -> None:
    permissions.require_site_admin(admin)
    with pytest.raises(PermissionDenied):
        permissions.require_site_admin(owner)
