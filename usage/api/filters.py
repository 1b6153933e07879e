"""The filters that usage and calls share, narrowed to what the caller may see."""

from datetime import datetime, timedelta
from typing import Annotated

from django.http import Http404, HttpRequest
from django.utils import timezone
from pydantic import Field, ValidationInfo, field_validator
from pydantic import StringConstraints as Chars

from keys import permissions
from keys.api.fields import Input, Instant, Printable, Slug
from keys.models import AppKey, ProviderKey
from usage.stats import Filter

DEFAULT_RANGE = timedelta(hours=24)
Id = Annotated[str, Chars(pattern=r"^[0-9A-Za-z]{1,12}$")]
Endpoint = Annotated[str, Chars(max_length=200), Printable]


class UsageQuery(Input):
    """Which calls. Everything is optional; the range defaults to the last 24 hours."""

    application: Slug | None = Field(None, description="an application's slug")
    app_key: Id | None = None
    provider_key: Id | None = None
    provider: Slug | None = None
    since: Instant | None = Field(None, description="ISO 8601 with zone, included")
    until: Instant | None = Field(None, description="ISO 8601 with zone, excluded")

    @field_validator("until")
    @classmethod
    def _in_order(cls, until: datetime | None, info: ValidationInfo) -> datetime | None:
        since = info.data.get("since")
        if until is not None and since is not None and until < since:
            raise ValueError("is before since")
        return until

    def range(self) -> tuple[datetime, datetime]:
        now = timezone.now()
        until = self.until or max(now, self.since or now)
        return self.since or until - DEFAULT_RANGE, until


def applications_of(request: HttpRequest, slug: str | None) -> list[str] | None:
    """Ids of the applications to look into; None for all of them (a site admin's)."""
    if slug is not None:
        return [permissions.get_application(request.user, slug).id]
    if request.user.is_superuser:
        return None
    return list(permissions.visible_applications(request.user).values_list("id", flat=True))


def filter_of(request: HttpRequest, query: UsageQuery) -> Filter:
    """The query as the domain's filter. Http404 for a key that the caller may not see."""
    applications = applications_of(request, query.application)
    for model, key_id in ((AppKey, query.app_key), (ProviderKey, query.provider_key)):
        if key_id is None:
            continue
        rows = model.objects.filter(pk=key_id)
        if applications is not None:
            rows = rows.filter(application__in=applications)
        if not rows.exists():
            raise Http404
    since, until = query.range()
    return Filter(
        applications=applications,
        app_key=query.app_key or "",
        provider_key=query.provider_key or "",
        provider=query.provider or "",
        since=since,
        until=until,
    )
