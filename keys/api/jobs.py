"""REST for periodic work: what ran when, and what came of it."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field

from keys import jobs, permissions
from keys.api import paging
from keys.api.auth import READ
from keys.api.schemas import ListOut

router = Router(tags=["jobs"])


class JobOut(BaseModel):
    """`late_seconds`: since it was due, 0 when it is in time; `error`: of the last failure."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    words: str
    every_seconds: float = Field(validation_alias="every")
    last_at: datetime | None
    duration_ms: float | None
    next_at: datetime
    runs: int
    failures: int
    failed_in_a_row: int
    error: str
    error_at: datetime | None
    running: bool = Field(validation_alias="is_running")
    late_seconds: float


class Jobs(ListOut[JobOut]):
    pass


@router.get("", auth=READ, response=Jobs, operation_id="list_jobs")
def list_jobs(request: HttpRequest, query: Query[paging.Paging]) -> Jobs:
    """By name. Of this whole installation, so for site admins."""
    permissions.require_site_admin(request.user)
    after = "" if query.cursor is None else paging.decode(query.cursor)
    rows = sorted(jobs.standings(), key=lambda row: row.name)
    rest = [row for row in rows if row.name > after]
    shown = rest[: query.limit]
    following = paging.encode(shown[-1].name) if len(rest) > len(shown) else None
    return Jobs(items=[JobOut.model_validate(row) for row in shown], next=following)
