"""What is asked of the ledger: a range and what calls must match."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

DEFAULT_RANGE = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Empty fields match everything. `applications` are ids: what the asker may see; None is all.

    Without `since` the range is the 24 hours before `until`, without `until` it ends now.
    """

    applications: list[str] | None = None
    app_key: str = ""
    app_key_version: int | None = None
    provider_key: str = ""
    provider_key_version: int | None = None
    provider: str = ""
    endpoint: str = ""
    caller: str = ""
    outcome: str = ""
    status: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def range(self, now: datetime | None = None) -> tuple[datetime, datetime]:
        until = self.until or now or timezone.now()
        return self.since or until - DEFAULT_RANGE, until

    def between(self, since: datetime, until: datetime) -> "Filter":
        """The same over another range."""
        return replace(self, since=since, until=until)

    @property
    def dimensions(self) -> dict[str, Any]:
        """Lookups that counts, histograms and calls all have."""
        names = ("app_key", "provider_key", "provider", "endpoint", "caller")
        lookups: dict[str, Any] = {
            name: getattr(self, name) for name in names if getattr(self, name)
        }
        for name in ("app_key_version", "provider_key_version"):
            if getattr(self, name) is not None:
                lookups[name] = getattr(self, name)
        if self.applications is not None:
            lookups["application__in"] = self.applications
        return lookups

    @property
    def names(self) -> set[str]:
        """The columns that the lookups are on."""
        return {name.partition("__")[0] for name in self.dimensions | self.ends}

    @property
    def ends(self) -> dict[str, Any]:
        """Lookups on how a call ended."""
        lookups: dict[str, Any] = {"outcome": self.outcome} if self.outcome else {}
        if self.status is not None:
            lookups["status"] = self.status
        return lookups
