"""REST for the ledger: what proves that every accepted call is stored once."""

from django.http import HttpRequest
from ninja import Router

from keys import permissions
from keys.api.auth import READ
from usage import stats
from usage.api.schemas import LedgerOut

router = Router(tags=["usage"])


@router.get("", auth=READ, response=LedgerOut, operation_id="get_ledger")
def get_ledger(request: HttpRequest) -> LedgerOut:
    """Of this whole installation, so for site admins."""
    permissions.require_site_admin(request.user)
    found = stats.ledger()
    told = {name: getattr(found, name) for name in LedgerOut.model_fields if name != "troubles"}
    return LedgerOut.model_validate(told | {"troubles": stats.troubles(found)})
