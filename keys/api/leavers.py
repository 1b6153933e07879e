"""REST for what somebody who left still has: to be rotated, or let be with a reason."""

from datetime import datetime
from typing import Literal

from django.http import Http404, HttpRequest
from ninja import Query, Router
from ninja.responses import Status
from pydantic import BaseModel

from keys import exposure, lifecycle, permissions
from keys.api import paging
from keys.api.auth import MANAGE, READ
from keys.api.fields import Input
from keys.api.schemas import ListOut
from keys.audit import Actor
from keys.exposure import Left
from keys.lifecycle import Invalid
from keys.models import Application
from keys.permissions import Act

router = Router(tags=["to rotate"])


class DismissIn(Input):
    reason: str


class ToRotateOut(BaseModel):
    """`versions`: the numbers of those that the person who left has seen."""

    id: int
    kind: Literal["provider_key", "app_key"]
    key_id: str
    name: str
    versions: list[int]
    seen_by: str
    left_at: datetime


class ToRotateList(ListOut[ToRotateOut]):
    pass


@router.get(
    "/{slug:slug}/to-rotate", auth=READ, response=ToRotateList, operation_id="list_to_rotate"
)
def list_to_rotate(request: HttpRequest, slug: str, query: Query[paging.Paging]) -> ToRotateList:
    """Oldest first. A key goes from the list when the secret they have works no more."""
    application = permissions.get_application(request.user, slug, Act.SEE_AUDIT)
    after = _after(query.cursor)
    # Whether a secret works still is no column: the list is cut here, not by the database.
    rest = [left for left in _queue(application) if left.row.pk > after]
    shown = rest[: query.limit]
    following = paging.encode(str(shown[-1].row.pk)) if len(rest) > len(shown) else None
    return ToRotateList(items=[_out(left) for left in shown], next=following)


@router.post(
    "/{slug:slug}/to-rotate/{int:row_id}/dismiss",
    auth=MANAGE,
    response={204: None},
    operation_id="dismiss_to_rotate",
)
def dismiss(request: HttpRequest, slug: str, row_id: int, body: DismissIn) -> Status[None]:
    """Leaves the key as it is although somebody who left has its secret; the reason is audited."""
    application = permissions.get_application(request.user, slug)
    left = next((left for left in _queue(application) if left.row.pk == row_id), None)
    if left is None:
        raise Http404("Nothing to rotate")
    permissions.require(request.user, application, Act.MANAGE_PROVIDER_KEYS)
    lifecycle.dismiss_rotation(Actor.of(request), left, reason=body.reason)
    return Status(204, None)


def _queue(application: Application) -> list[Left]:
    return sorted(exposure.to_rotate([application]), key=lambda left: left.row.pk)


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    text = paging.decode(cursor)
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise Invalid("cursor", "Not a cursor of this list.")
    return int(text)


def _out(left: Left) -> ToRotateOut:
    return ToRotateOut(
        id=left.row.pk,
        kind=left.key.kind,
        key_id=left.key.pk,
        name=left.key.name,
        versions=left.row.numbers,
        seen_by=left.row.who,
        left_at=left.row.at,
    )
