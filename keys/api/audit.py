"""REST for the audit trail: site admins see all, owners their applications, others own acts."""

from dataclasses import asdict

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import BaseModel

from keys import audit, permissions
from keys.api import paging
from keys.api.auth import READ
from keys.api.fields import Input, Slug
from keys.api.schemas import AuditEventOut, AuditEvents, VerificationOut
from keys.lifecycle import Conflict, Invalid
from keys.models import Application, AuditEvent
from keys.permissions import Act

router = Router(tags=["audit"])


class AuditQuery(paging.Paging):
    application: Slug | None = None


@router.get("", auth=READ, response=AuditEvents, operation_id="list_audit_events")
def list_audit_events(request: HttpRequest, query: Query[AuditQuery]) -> AuditEvents:
    """Newest first."""
    events = permissions.visible_events(request.user)
    if query.application is not None:
        asked = permissions.get_application(request.user, query.application, Act.SEE_OWN_AUDIT)
        events = events.filter(application_id=asked.pk)
    rows, following = paging.page(events, query, "id", newest_first=True)
    ids = {row.application_id for row in rows if row.application_id}
    slugs = dict(Application.objects.filter(id__in=ids).values_list("id", "slug"))
    return AuditEvents(items=[_out(row, slugs) for row in rows], next=following)


class AnchorIn(Input):
    """What `GET /audit/anchor` answered, kept elsewhere since."""

    events: int
    digest: str
    at: str
    seal: str


class AnchorOut(BaseModel):
    """How far the chain has come; `seal` says that it was made here."""

    events: int
    digest: str
    at: str
    seal: str


@router.get("/verify", auth=READ, response=VerificationOut, operation_id="verify_audit")
def verify_audit(request: HttpRequest) -> VerificationOut:
    """Walks the chain: false, and where, if a row was changed, removed or added behind our back."""
    permissions.require_site_admin(request.user)
    return _found(audit.verify())


@router.post("/verify", auth=READ, response=VerificationOut, operation_id="verify_audit_anchor")
def verify_audit_anchor(request: HttpRequest, body: AnchorIn) -> VerificationOut:
    """Walks the chain and holds it against an anchor: a database put back is found as well."""
    permissions.require_site_admin(request.user)
    try:
        anchored = audit.read_anchor(body.model_dump_json())
    except ValueError as error:
        raise Invalid("seal", str(error)) from error
    return _found(audit.verify(anchored))


@router.get("/anchor", auth=READ, response=AnchorOut, operation_id="get_audit_anchor")
def get_audit_anchor(request: HttpRequest) -> AnchorOut:
    """How far the chain has come, to be kept away from the database."""
    permissions.require_site_admin(request.user)
    try:
        return AnchorOut(**asdict(audit.anchor()))
    except ValueError as error:
        raise Conflict(str(error)) from error


def _found(found: audit.Verification) -> VerificationOut:
    return VerificationOut(ok=found.ok, events=found.events, broken_at=found.broken_at)


def _out(row: AuditEvent, slugs: dict[str, str]) -> AuditEventOut:
    return AuditEventOut(
        id=row.id,
        at=row.at,
        actor=row.actor_name,
        action=row.action,
        # A deleted application is still named, by its id.
        application=slugs.get(row.application_id, row.application_id) or None,
        target=row.target,
        detail=row.detail,
        address=row.address,
    )
