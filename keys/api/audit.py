"""REST for the audit trail: site admins see all, owners their applications, others own acts."""

from django.http import HttpRequest
from ninja import Query, Router

from keys import audit, permissions
from keys.api import paging
from keys.api.auth import READ
from keys.api.fields import Slug
from keys.api.schemas import AuditEventOut, AuditEvents, VerificationOut
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


@router.get("/verify", auth=READ, response=VerificationOut, operation_id="verify_audit")
def verify_audit(request: HttpRequest) -> VerificationOut:
    """Walks the chain: false, and where, if a row was changed, removed or added behind our back."""
    permissions.require_site_admin(request.user)
    found = audit.verify()
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
