"""What a panel is about: read from the URL, narrowed to what the reader may see."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeVar, cast
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest
from django.urls import reverse
from django_htmx.middleware import HtmxDetails

from keys import permissions, providers
from keys.models import AppKey, Application, ProviderKey
from keys.views.filters import Filters
from usage.charts import DEFAULT_RANGE, RANGES, Range, bars
from usage.events import Outcome
from usage.stats import Filter

K = TypeVar("K", AppKey, ProviderKey)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose calls, and which span. `ids` are the visible applications; None: all of them."""

    range: Range
    ids: list[str] | None
    application: Application | None = None
    app_key: AppKey | None = None
    provider_key: ProviderKey | None = None
    provider: str = ""
    endpoint: str = ""
    caller: str = ""
    outcome: str = ""
    status: int | None = None
    version: int | None = None  # of the app key, or else of the provider key
    complaints: dict[str, str] = field(default_factory=dict)  # of filters: name -> what is wrong

    @property
    def words(self) -> str:
        about = self.app_key or self.provider_key or self.application
        if about:
            return about.name
        if self.provider:
            return providers.names([self.provider])[self.provider]
        return "all applications"

    @property
    def home(self) -> tuple[str, str]:
        """The page that the panel is a part of, and what it is called."""
        key = self.app_key or self.provider_key
        if key:
            return reverse(key.kind, args=[key.application.slug, key.pk]), key.name
        if self.application:
            return reverse("application", args=[self.application.slug]), self.application.name
        return reverse("overview"), "Overview"

    @property
    def is_narrow(self) -> bool:
        """Whether it is about one application or key, not about all that the reader sees."""
        return bool(self.application or self.app_key or self.provider_key or self.provider)

    def unknown(self, name: str) -> dict[str, str]:
        """A provider that is asked for and isn't there, and the URL of `name` without it; a
        page that would be empty says so."""
        if not self.provider:
            return {}
        try:
            providers.get(self.provider)
        except providers.UnknownProvider:
            return {"unknown": self.provider, "known_url": self.url(name, provider="")}
        return {}

    @property
    def last_used(self) -> datetime | None:
        key = self.app_key or self.provider_key
        return key.last_used_at if key else None

    def bars(self, now: datetime, zone: tzinfo = UTC) -> list[datetime]:
        return bars(self.range, now, zone)

    def window(self, now: datetime) -> Filter:
        """The range that ends now, to the moment, as REST answers for it."""
        return self._filter(now - self.range.length, now)

    def filter(self, since: datetime, until: datetime) -> Filter:
        # A call of this moment belongs to a list of calls.
        return self._filter(since, until + timedelta(seconds=1))

    def _filter(self, since: datetime, until: datetime) -> Filter:
        return Filter(
            applications=self.ids,
            app_key=self.app_key.id if self.app_key else "",
            app_key_version=self.version if self.app_key else None,
            provider_key=self.provider_key.id if self.provider_key else "",
            provider_key_version=None if self.app_key else self.version,
            provider=self.provider,
            endpoint=self.endpoint,
            caller=self.caller,
            outcome=self.outcome,
            status=self.status,
            since=since,
            until=until,
        )

    @property
    def query(self) -> dict[str, object]:
        """What the address says of it, without what is not chosen."""
        query: dict[str, object] = {
            "application": self.application.slug if self.application else "",
            "app_key": self.app_key.id if self.app_key else "",
            "provider_key": self.provider_key.id if self.provider_key else "",
            "provider": self.provider,
            "endpoint": self.endpoint,
            "caller": self.caller,
            "outcome": self.outcome,
            "status": self.status,
            "version": self.version,
            "range": self.range.name,
        }
        return {name: value for name, value in query.items() if value not in ("", None)}

    def url(self, name: str, **more: object) -> str:
        """A URL with the same scope and range; an empty text takes a filter away."""
        kept = {key: value for key, value in (self.query | more).items() if value not in ("", None)}
        return f"{reverse(name)}?{urlencode(kept)}"


def read_scope(request: HttpRequest) -> Scope:
    """Raises Http404 for an application or key that the reader may not see."""
    slug = request.GET.get("application", "")
    application = permissions.get_application(request.user, slug) if slug else None
    ids = [application.id] if application else visible_ids(request)
    app_key = _key(AppKey, request.GET.get("app_key", ""), ids)
    provider_key = _key(ProviderKey, request.GET.get("provider_key", ""), ids)
    asked = Filters(request.GET)
    version = asked.number("version", "version")
    if version is not None and not (app_key or provider_key):
        asked.complaints["version"] = "A version is one of a key: choose the key, too."
        version = None
    return Scope(
        range=_range(request, asked),
        ids=ids,
        application=application,
        app_key=app_key,
        provider_key=provider_key,
        provider=request.GET.get("provider", "")[:50],
        endpoint=request.GET.get("endpoint", "")[:200],
        caller=request.GET.get("caller", "")[:100],
        outcome=asked.choice("outcome", set(Outcome)),
        status=asked.number("status", "HTTP status"),
        version=version,
        complaints=asked.complaints,
    )


def visible_ids(request: HttpRequest) -> list[str] | None:
    if permissions.is_site_admin(request.user):
        return None
    return list(permissions.visible_applications(request.user).values_list("id", flat=True))


def read_zone(request: HttpRequest) -> tzinfo:
    try:
        return ZoneInfo(request.GET.get("tz", "UTC"))
    except (KeyError, ValueError, OSError):  # unknown, malformed, or a folder of the zone files
        return UTC


def _key(model: type[K], id: str, ids: list[str] | None) -> K | None:
    if not id:
        return None
    rows = model.objects.filter(pk=id)
    if ids is not None:
        rows = rows.filter(application__in=ids)
    key = rows.first()
    if key is None:
        raise Http404("No such key")
    return key


def htmx(request: HttpRequest) -> HtmxDetails:
    """What django-htmx's middleware put on the request."""
    return cast("HtmxDetails", request.htmx)  # type: ignore[attr-defined]


def _range(request: HttpRequest, asked: Filters) -> Range:
    """Of this URL, or of the page that a fragment is loaded into."""
    name = request.GET.get("range", "")
    if not name and (page := htmx(request).current_url):
        name = parse_qs(urlsplit(page).query).get("range", [""])[-1]
    return RANGES.get(asked.among("range", name, RANGES), DEFAULT_RANGE)
