"""The filters that usage and calls share, narrowed to what the caller may see."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest
from django.utils import timezone
from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic import StringConstraints as Chars

from keys import permissions
from keys.api.errors import NoSuch
from keys.api.fields import Input, Instant, Printable, Slug
from keys.lifecycle import Invalid
from keys.models import AppKey, Application, ProviderKey
from keys.providers import UnknownProvider, get
from usage.events import Outcome
from usage.stats import Filter, Unanswerable

DEFAULT_RANGE = timedelta(hours=24)
Id = Annotated[str, Chars(pattern=r"^[0-9A-Za-z]{1,12}$")]
Endpoint = Annotated[str, Chars(max_length=200), Printable]


class Range(Input):
    """It defaults to the last 24 hours."""

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


class UsageQuery(Range):
    """Which calls. Everything is optional; the range defaults to the last 24 hours."""

    application: Slug | None = Field(None, description="an application's slug")
    app_key: Id | None = None
    provider_key: Id | None = None
    provider: Slug | None = None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # unknown, malformed, a folder of zones
        raise ValueError("is not a time zone, such as Europe/Berlin") from error
    return name


Zone = Annotated[str, Chars(max_length=60), AfterValidator(_zone)]


class CountsQuery(UsageQuery):
    """Which counted calls. Versions are not counted by endpoint, callers by neither, nor by
    provider or status: what is not counted together is answered with 422."""

    endpoint: Endpoint | None = Field(None, description="as counted: without query, ids as {id}")
    outcome: Outcome | None = None
    status: Annotated[int, Field(ge=0, le=999)] | None = None
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None, description="of the app key, or else of the provider key, that is chosen"
    )
    caller: Annotated[str, Chars(max_length=100), Printable] | None = Field(
        None, description="the label that a wrapper's caller gave itself"
    )


def counts_filter_of(request: HttpRequest, query: CountsQuery) -> Filter:
    if query.version is not None and not (query.app_key or query.provider_key):
        raise Invalid("version", "Of which key? Name app_key or provider_key.")
    return replace(
        filter_of(request, query),
        endpoint=query.endpoint or "",
        outcome=query.outcome or "",
        status=query.status,
        caller=query.caller or "",
        app_key_version=query.version if query.app_key else None,
        provider_key_version=None if query.app_key else query.version,
    )


@contextmanager
def answerable() -> Iterator[None]:
    """Says with 422 what is not counted together."""
    try:
        yield
    except Unanswerable as error:
        raise Invalid("by", f"Not counted together: {error}.") from error


def slugs_of(ids: Iterable[str]) -> dict[str, str]:
    """How REST names applications, by their ids; those that are gone have none."""
    return dict(Application.objects.filter(pk__in=list(ids)).values_list("pk", "slug"))


def applications_of(request: HttpRequest, slug: str | None) -> list[str] | None:
    """Ids of the applications to look into; None for all of them (a site admin's).

    Raises NoSuch.
    """
    if slug is not None:
        try:
            return [permissions.get_application(request.user, slug).id]
        except Http404:
            raise NoSuch(
                "application",
                f"You see no application “{slug}”: GET /api/v1/applications lists those you see.",
            ) from None
    if request.user.is_superuser:
        return None
    return list(permissions.visible_applications(request.user).values_list("id", flat=True))


def filter_of(request: HttpRequest, query: UsageQuery) -> Filter:
    """The query as the domain's filter. Raises NoSuch for an application, a key or a provider that
    isn't there, or that the caller may not see: zeros would sound like an answer.
    """
    applications = applications_of(request, query.application)
    _check_key(AppKey, query.app_key, applications)
    _check_key(ProviderKey, query.provider_key, applications)
    _check_provider(query.provider)
    since, until = query.range()
    return Filter(
        applications=applications,
        app_key=query.app_key or "",
        provider_key=query.provider_key or "",
        provider=query.provider or "",
        since=since,
        until=until,
    )


def _check_key(
    model: type[AppKey | ProviderKey], id: str | None, applications: list[str] | None
) -> None:
    if id is None:
        return
    rows = model._default_manager.filter(pk=id)
    if applications is not None:
        rows = rows.filter(application__in=applications)
    if not rows.exists():
        field, words = model.kind, model.kind.replace("_", " ")
        place = f"/api/v1/applications/<application>/{model.kind.replace('_', '-')}s"
        raise NoSuch(field, f"You see no {words} “{id}” there: GET {place} lists them.")


def _check_provider(slug: str | None) -> None:
    if slug is None:
        return
    try:
        get(slug)
    except UnknownProvider:
        # One that was built in once, as the sandbox is with the demo: its calls are kept.
        if not ProviderKey.objects.filter(provider=slug).exists():
            raise NoSuch(
                "provider", f"There is no provider “{slug}”: GET /api/v1/providers lists them."
            ) from None
