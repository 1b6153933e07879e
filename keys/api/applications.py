"""REST for applications and their members."""

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router
from ninja.responses import Status

from keys import lifecycle, permissions
from keys.api import paging
from keys.api.auth import MANAGE, READ, SECRETS
from keys.api.schemas import (
    ApplicationIn,
    ApplicationOut,
    ApplicationPatch,
    Applications,
    DataKeyOut,
    MemberIn,
    MemberOut,
    Members,
    RoleIn,
)
from keys.audit import Actor
from keys.models import Application, Membership
from keys.permissions import Act
from keys.states import Role

router = Router(tags=["applications"])


@router.get("", auth=READ, response=Applications, operation_id="list_applications")
def list_applications(request: HttpRequest, query: Query[paging.Paging]) -> Applications:
    rows, following = paging.page(permissions.visible_applications(request.user), query, "slug")
    return Applications(items=[_application(row) for row in rows], next=following)


@router.post("", auth=MANAGE, response={201: ApplicationOut}, operation_id="create_application")
def create_application(request: HttpRequest, body: ApplicationIn) -> Status[ApplicationOut]:
    made = lifecycle.create_application(Actor.of(request), name=body.name, slug=body.slug)
    return Status(201, _application(made))


@router.get("/{slug:slug}", auth=READ, response=ApplicationOut, operation_id="get_application")
def get_application(request: HttpRequest, slug: str) -> ApplicationOut:
    return _application(permissions.get_application(request.user, slug))


@router.patch(
    "/{slug:slug}", auth=MANAGE, response=ApplicationOut, operation_id="change_application"
)
def change_application(request: HttpRequest, slug: str, body: ApplicationPatch) -> ApplicationOut:
    """The application's policy; only the fields given are touched."""
    found = permissions.get_application(request.user, slug, Act.MANAGE_POLICY)
    lifecycle.set_policy(Actor.of(request), found, **body.model_dump(exclude_none=True))
    found.refresh_from_db()
    return _application(found)


@router.delete(
    "/{slug:slug}", auth=SECRETS, response={204: None}, operation_id="delete_application"
)
def delete_application(request: HttpRequest, slug: str) -> Status[None]:
    """With its keys and its data key: nothing of it can be opened any more."""
    found = permissions.get_application(request.user, slug, Act.DELETE_APPLICATION)
    lifecycle.delete_application(Actor.of(request), found)
    return Status(204, None)


@router.post(
    "/{slug:slug}/data-key/rotate",
    auth=SECRETS,
    response=DataKeyOut,
    operation_id="rotate_data_key",
)
def rotate_data_key(request: HttpRequest, slug: str) -> DataKeyOut:
    """A new data key; what is sealed under the old one is moved over in the background."""
    found = permissions.get_application(request.user, slug, Act.MANAGE_POLICY)
    return DataKeyOut(version=lifecycle.start_data_key_rotation(Actor.of(request), found))


@router.get("/{slug:slug}/members", auth=READ, response=Members, operation_id="list_members")
def list_members(request: HttpRequest, slug: str, query: Query[paging.Paging]) -> Members:
    found = permissions.get_application(request.user, slug)
    rows, following = paging.page(found.memberships.select_related("user"), query, "user__email")
    return Members(items=[_member(row) for row in rows], next=following)


@router.post(
    "/{slug:slug}/members", auth=SECRETS, response={201: MemberOut}, operation_id="add_member"
)
def add_member(request: HttpRequest, slug: str, body: MemberIn) -> Status[MemberOut]:
    found = permissions.get_application(request.user, slug, Act.MANAGE_MEMBERS)
    made = lifecycle.add_member(Actor.of(request), found, email=body.email, role=body.role)
    return Status(201, _member(made))


@router.patch(
    "/{slug:slug}/members/{email}",
    auth=SECRETS,
    response=MemberOut,
    operation_id="change_member",
)
def change_member(request: HttpRequest, slug: str, email: str, body: RoleIn) -> MemberOut:
    membership = _find_member(request, slug, email)
    lifecycle.change_role(Actor.of(request), membership, role=body.role)
    membership.refresh_from_db()
    return _member(membership)


@router.delete(
    "/{slug:slug}/members/{email}",
    auth=SECRETS,
    response={204: None},
    operation_id="remove_member",
)
def remove_member(request: HttpRequest, slug: str, email: str) -> Status[None]:
    lifecycle.remove_member(Actor.of(request), _find_member(request, slug, email))
    return Status(204, None)


def _find_member(request: HttpRequest, slug: str, email: str) -> Membership:
    found = permissions.get_application(request.user, slug, Act.MANAGE_MEMBERS)
    if not email.isprintable():
        raise Http404
    return get_object_or_404(
        found.memberships.select_related("user", "application"), user__email=email.lower()
    )


def _application(row: Application) -> ApplicationOut:
    return ApplicationOut(
        slug=row.slug,
        name=row.name,
        created_at=row.created_at,
        show_app_keys_once=row.show_app_keys_once,
        developers_copy_provider_keys=row.developers_copy_provider_keys,
    )


def _member(row: Membership) -> MemberOut:
    return MemberOut(email=row.user.email, role=Role(row.role))
