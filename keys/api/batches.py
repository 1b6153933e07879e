"""REST for one act on many keys, carried out in the background."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import Http404, HttpRequest
from ninja import Router
from ninja.responses import Status
from pydantic import BaseModel, Field

from keys import lifecycle, permissions
from keys.api.auth import MANAGE, READ, SECRETS, require_scope
from keys.api.fields import Input, Text
from keys.audit import Actor
from keys.models import Batch
from keys.permissions import Act

router = Router(tags=["batches"])


class BatchIn(Input):
    """`argument`: the tag of tag and untag, the seconds of overlap of rotate."""

    kind: Literal["provider_key", "app_key"]
    act: Literal["disable", "enable", "revoke", "rotate", "tag", "untag"]
    keys: Annotated[list[Text], Field(min_length=1, max_length=lifecycle.MOST_KEYS)]
    argument: Text = ""


class RefusedOut(BaseModel):
    id: str
    why: str


class BatchOut(BaseModel):
    """`refused_keys`: the first hundred that the act could not be done on, and why."""

    id: str
    kind: str
    act: str
    total: int
    done: int
    refused: int
    stopped: bool
    created_at: datetime
    ended_at: datetime | None
    refused_keys: list[RefusedOut]


@router.post(
    "/{slug:slug}/batches", auth=MANAGE, response={202: BatchOut}, operation_id="start_batch"
)
def start_batch(request: HttpRequest, slug: str, body: BatchIn) -> Status[BatchOut]:
    """Asks for an act on at most 10,000 keys; GET tells how far it is."""
    right = lifecycle.right_for(body.kind, body.act)
    if lifecycle.BATCH_ACTS[body.act].of.step_up:
        require_scope(request, SECRETS.scope)
    application = permissions.get_application(request.user, slug, right)
    batch = lifecycle.start_batch(
        Actor.of(request), application, body.kind, body.act, body.keys, body.argument
    )
    return Status(202, _out(batch))


@router.get(
    "/{slug:slug}/batches/{slug:batch_id}", auth=READ, response=BatchOut, operation_id="get_batch"
)
def get_batch(request: HttpRequest, slug: str, batch_id: str) -> BatchOut:
    return _out(_find(request, slug, batch_id))


@router.post(
    "/{slug:slug}/batches/{slug:batch_id}/stop",
    auth=MANAGE,
    response=BatchOut,
    operation_id="stop_batch",
)
def stop_batch(request: HttpRequest, slug: str, batch_id: str) -> BatchOut:
    """What is not done yet stays undone."""
    batch = _find(request, slug, batch_id)
    right = lifecycle.right_for(batch.kind, batch.act)
    permissions.require(request.user, batch.application, right)
    lifecycle.stop_batch(Actor.of(request), batch)
    batch.refresh_from_db()
    return _out(batch)


def _find(request: HttpRequest, slug: str, batch_id: str) -> Batch:
    application = permissions.get_application(request.user, slug, Act.SEE)
    found = Batch.objects.filter(pk=batch_id, application=application).first()
    if found is None:
        raise Http404("No such batch")
    return found


def _out(batch: Batch) -> BatchOut:
    refused = batch.items.filter(outcome="refused").order_by("pk")[:100]
    return BatchOut(
        id=batch.pk,
        kind=batch.kind,
        act=batch.act,
        total=batch.total,
        done=batch.done,
        refused=batch.refused,
        stopped=batch.stopped,
        created_at=batch.created_at,
        ended_at=batch.ended_at,
        refused_keys=[RefusedOut(id=item.key_id, why=item.why) for item in refused],
    )
