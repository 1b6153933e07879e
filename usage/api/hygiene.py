"""REST for the hygiene inbox."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Query, Router
from pydantic import AfterValidator, BaseModel, Field

from keys.api import paging
from keys.api.auth import MANAGE, READ
from keys.api.fields import Input, Slug
from keys.api.schemas import ListOut
from keys.audit import Actor
from usage import hygiene
from usage.api.filters import applications_of
from usage.models import HygieneFinding

router = Router(tags=["hygiene"])
FINDING = "/{int:finding_id}"


def _known(code: str) -> str:
    if code not in hygiene.CODES:
        raise ValueError(f"is one of {', '.join(hygiene.CODES)}")
    return code


class FindingQuery(paging.Paging):
    application: Slug | None = None
    code: Annotated[str, Field(max_length=20), AfterValidator(_known)] | None = None
    snoozed: bool = False


class FindingOut(BaseModel):
    """`fix`: what a click does about it; `by_form`: it needs a new secret, so the key's own
    operation does it instead."""

    id: int
    application: str
    code: str
    title: str
    target: str
    name: str
    detail: dict[str, Any]
    since: datetime | None
    found_at: datetime
    snoozed_until: datetime | None
    fix: str
    by_form: bool


class Findings(ListOut[FindingOut]):
    pass


class SnoozeIn(Input):
    days: Literal[7, 30, 90] = 30


class FixedOut(BaseModel):
    fixed: str


@router.get("", auth=READ, response=Findings, operation_id="list_hygiene_findings")
def list_findings(request: HttpRequest, query: Query[FindingQuery]) -> Findings:
    """Those that wait; with `snoozed` those that come back later."""
    rows = hygiene.inbox(request.user)
    if query.application is not None:
        rows = rows.filter(application__in=applications_of(request, query.application) or [])
    if query.code is not None:
        rows = rows.filter(code=query.code)
    now = timezone.now()
    rows = rows.filter(snoozed_until__gt=now) if query.snoozed else hygiene.waiting(rows, now)
    found, following = paging.page(rows, query, "id", newest_first=True)
    return Findings(items=[_out(row) for row in found], next=following)


@router.post(f"{FINDING}/fix", auth=MANAGE, response=FixedOut, operation_id="fix_hygiene_finding")
def fix(request: HttpRequest, finding_id: int) -> FixedOut:
    """Does what there is to do; 409 where that needs a new secret."""
    return FixedOut(fixed=hygiene.fix(Actor.of(request), _finding(request, finding_id)))


@router.post(
    f"{FINDING}/snooze", auth=MANAGE, response=FindingOut, operation_id="snooze_hygiene_finding"
)
def snooze(request: HttpRequest, finding_id: int, body: SnoozeIn) -> FindingOut:
    finding = _finding(request, finding_id)
    hygiene.snooze(Actor.of(request), finding, body.days)
    finding.refresh_from_db()
    return _out(finding)


def _finding(request: HttpRequest, id: int) -> HygieneFinding:
    found = hygiene.inbox(request.user).filter(pk=id).first() if id < 2**63 else None
    if found is None:
        raise Http404("No such finding")
    return found


def _out(row: HygieneFinding) -> FindingOut:
    way = hygiene.FIXES[row.code]
    return FindingOut(
        id=row.pk,
        application=row.application.slug,
        code=row.code,
        title=hygiene.CODES[row.code].title,
        target=row.target,
        name=row.name,
        detail=row.detail,
        since=row.since,
        found_at=row.found_at,
        snoozed_until=row.snoozed_until,
        fix=way.words,
        by_form=way.run is None,
    )
