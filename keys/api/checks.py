"""REST for checks of many keys at once, carried out in the background."""

from datetime import datetime
from typing import Annotated

from django.http import Http404, HttpRequest
from ninja import Router
from ninja.responses import Status
from pydantic import BaseModel, Field

from keys import lifecycle, permissions
from keys.api.auth import MANAGE, READ
from keys.api.fields import Input, Slug, Text
from keys.audit import Actor
from keys.lifecycle import Invalid
from keys.models import CheckRun, ProviderKey
from keys.permissions import Act

router = Router(tags=["checks"])


class ChecksIn(Input):
    """Which provider keys: these, those of an application, of a provider, or what is all of
    it. At least one is needed."""

    keys: Annotated[list[Text], Field(max_length=lifecycle.MOST_CHECKED)] | None = None
    application: Slug | None = None
    provider: Slug | None = None


class ChecksOut(BaseModel):
    """How far it is. `verdicts`: how many of the keys looked at so far have which; `unclear` of
    them got no clear answer; `left_out` keys cannot be checked for free."""

    id: str
    total: int
    done: int
    unclear: int
    left_out: int
    verdicts: dict[str, int]
    created_at: datetime
    ended: bool


@router.post("", auth=MANAGE, response={202: ChecksOut}, operation_id="start_checks")
def start_checks(request: HttpRequest, body: ChecksIn) -> Status[ChecksOut]:
    """Has keys checked now, without spending credits; GET tells how far it is."""
    keys = ProviderKey.objects.filter(
        application__in=permissions.applications_with(request.user, Act.CHECK)
    )
    told = []
    if body.keys is not None:
        keys = keys.filter(pk__in=body.keys)
        missing = set(body.keys) - set(keys.values_list("pk", flat=True))
        if missing:
            raise Invalid("keys", f"There is no key {min(missing)[:20]!r} that you may check.")
        told.append(f"{len(set(body.keys))} chosen keys")
    if body.application is not None:
        found = permissions.get_application(request.user, body.application, Act.CHECK)
        keys = keys.filter(application=found)
        told.append(found.name)
    if body.provider is not None:
        keys = keys.filter(provider=body.provider)
        told.append(body.provider)
    if not told:
        raise Invalid("keys", "Say which: keys, application or provider.")
    run = lifecycle.start_checks(Actor.of(request), keys, " · ".join(told))
    return Status(202, _out(run))


@router.get("/{slug:run_id}", auth=READ, response=ChecksOut, operation_id="get_checks")
def get_checks(request: HttpRequest, run_id: str) -> ChecksOut:
    """How far checks are that were asked for in the last thirty days, by oneself."""
    run = CheckRun.objects.filter(pk=run_id, created_by=request.user.pk).first()
    if run is None:
        raise Http404("No such checks")
    return _out(run)


def _out(run: CheckRun) -> ChecksOut:
    progress = lifecycle.run_progress(run)
    return ChecksOut(
        id=run.pk,
        total=progress.total,
        done=progress.done,
        unclear=progress.unclear,
        left_out=run.left_out,
        verdicts=progress.verdicts,
        created_at=run.created_at,
        ended=progress.ended,
    )
