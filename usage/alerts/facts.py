"""What conditions look at: read through `keys` and `usage.stats`, each question asked once a round.

One instance serves all rules of a round, so a hundred rules with the same window cost one query.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Q, QuerySet

from keys import incidents, providers
from keys.models import (
    AppKey,
    AppKeyVersion,
    Application,
    Incident,
    Key,
    ProviderKey,
    ProviderKeyVersion,
)
from keys.states import KeyState, Stage, Verdict
from usage import stats

MOST = 2000  # subjects of one question: more say nothing new
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a rule looks; what is empty is everywhere. `applications` are ids."""

    applications: tuple[str, ...] | None = None
    provider: str = ""
    key: str = ""  # "app_key:<id>"

    def id_of(self, kind: str) -> str | None:
        """The id of the one key of this kind; "" for any, None when it is of the other kind."""
        if not self.key:
            return ""
        of, _, id = self.key.partition(":")
        return id if of == kind else None


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls of one subject in a window."""

    key: Key | None  # where the subject is a key
    value: str  # id of an application or a key, or a provider's slug
    requests: int
    judged: int
    errors: int
    by_outcome: dict[str, int]


class Facts:
    """The facts of one moment."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._known: dict[Any, Any] = {}

    def in_verdict(self, verdicts: Sequence[str], scope: Scope) -> list[ProviderKey]:
        """Active provider keys whose verdict is one of these."""
        rows = self._provider_keys(scope).filter(verdict__in=list(verdicts))
        return list(rows.order_by("pk")[:MOST])

    def with_balance(self, scope: Scope) -> list[ProviderKey]:
        """Active provider keys whose provider tells what is left."""
        rows = self._provider_keys(scope).exclude(verdict=Verdict.UNCHECKED)
        told = [key for key in rows.iterator() if key.evidence.get("balance") is not None]
        return told[:MOST]

    def expiring(self, before: datetime, scope: Scope) -> list[AppKey]:
        rows = self._app_keys(scope).filter(expires_at__lte=before, expires_at__gt=self.now)
        return list(rows.order_by("expires_at", "pk")[:MOST])

    def unused_since(self, since: datetime, scope: Scope) -> list[Key]:
        """Active keys of both kinds that nobody has used since then, nor made."""
        found: list[Key] = []
        for rows in (self._provider_keys(scope), self._app_keys(scope)):
            found += rows.filter(stats.idle(since)).order_by("pk")[:MOST]
        return found

    def old_versions(
        self, used_since: datetime, rotated_before: datetime, scope: Scope
    ) -> list[ProviderKeyVersion | AppKeyVersion]:
        """Versions that a rotation from before then replaced, and that were used since."""
        found: list[ProviderKeyVersion | AppKeyVersion] = []
        models: tuple[tuple[type[ProviderKeyVersion] | type[AppKeyVersion], QuerySet[Any]], ...] = (
            (ProviderKeyVersion, self._provider_keys(scope)),
            (AppKeyVersion, self._app_keys(scope)),
        )
        for model, keys in models:
            rows = model._default_manager.filter(
                stage=Stage.PREVIOUS, last_used_at__gte=used_since, key__in=keys
            )
            newer = Q(
                key__versions__stage=Stage.CURRENT, key__versions__promoted_at__lt=rotated_before
            )
            rows = rows.filter(newer).select_related("key__application").defer("sealed")
            found += rows.order_by("pk")[:MOST]
        return found

    def limited(self, field: str, scope: Scope) -> list[AppKey]:
        """Active app keys with a limit of this name."""
        rows = self._app_keys(scope).filter(**{f"{field}__isnull": False})
        return list(rows.order_by("pk")[:MOST])

    def traffic(self, since: datetime, by: str, scope: Scope) -> list[Traffic]:
        """Calls since then by application, provider_key, app_key or provider; busiest first."""
        key = ("traffic", since, by, scope)
        found: list[Traffic] = self._once(key, lambda: self._traffic(since, by, scope))
        return found

    def latency(self, since: datetime, one: Traffic, by: str, scope: Scope) -> float | None:
        """The p95 of one subject's calls since then, milliseconds."""
        f = self._filter(scope, since)
        narrowing: dict[str, Any] = {by: one.value}
        if by == "application":
            narrowing = {"applications": [one.value]}
        narrowed = replace(f, **narrowing)
        key = ("latency", since, by, one.value, scope)
        p95: float | None = self._once(key, lambda: stats.totals(narrowed, self.now).latency_ms.p95)
        return p95

    def spent(self, since: datetime, until: datetime, by: str, scope: Scope) -> dict[str, float]:
        """US dollars of the calls between, by subject: as reported, else by the prices set here."""
        f = self._filter(scope, since).between(since, until)
        found = stats.spend_by(f, by, now=self.now)
        return {value: spend.likely_usd for value, spend in found.items() if spend.likely}

    def incidents(self, scope: Scope) -> list[Incident]:
        """Open incidents, as far as anybody in scope has a key that one is about."""
        found: list[Incident] = self._once("incidents", incidents.open_incidents)
        keys = self._provider_keys(scope)
        return [one for one in found if (incidents.keys_of(one) & keys).exists()]

    def lag_seconds(self) -> float:
        """How far the spools are behind."""
        return float(self._once("lag", lambda: stats.ledger(self.now).lag_seconds))

    def application(self, id: str) -> Application | None:
        """The application of this id; history outlives it."""
        found = self._once(("application", id), lambda: Application.objects.filter(pk=id).first())
        return found if isinstance(found, Application) else None

    def provider_name(self, slug: str) -> str:
        names = self._once(
            "names", lambda: {spec.slug: spec.name for spec in providers.all_specs()}
        )
        return str(names.get(slug, slug))

    def _traffic(self, since: datetime, by: str, scope: Scope) -> list[Traffic]:
        groups = stats.groups(self._filter(scope, since), by, MOST, self.now)
        rows: dict[str, QuerySet[Any]] = {
            "provider_key": self._provider_keys(scope),
            "app_key": self._app_keys(scope),
        }
        keys = rows[by].in_bulk([one.value for one in groups]) if by in rows else {}
        return [
            Traffic(
                key=keys.get(one.value),
                value=one.value,
                requests=one.requests,
                judged=one.judged,
                errors=one.errors,
                by_outcome=one.by_outcome,
            )
            for one in groups
            if one.value and (by not in rows or one.value in keys)
        ]

    def _filter(self, scope: Scope, since: datetime) -> stats.Filter:
        applications = None if scope.applications is None else list(scope.applications)
        return stats.Filter(
            applications=applications,
            provider=scope.provider,
            provider_key=scope.id_of("provider_key") or "",
            app_key=scope.id_of("app_key") or "",
            since=since,
            until=self.now,
        )

    def _provider_keys(self, scope: Scope) -> QuerySet[ProviderKey]:
        rows = _narrowed(ProviderKey.objects.all(), scope, "provider_key")
        return rows.filter(provider=scope.provider) if scope.provider else rows

    def _app_keys(self, scope: Scope) -> QuerySet[AppKey]:
        rows: QuerySet[AppKey] = _narrowed(AppKey.objects.all(), scope, "app_key")
        return rows.none() if scope.provider else rows

    def _once(self, question: Any, ask: Callable[[], Answer]) -> Any:
        if question not in self._known:
            self._known[question] = ask()
        return self._known[question]


def _narrowed(rows: QuerySet[Any], scope: Scope, kind: str) -> QuerySet[Any]:
    id = scope.id_of(kind)
    if id is None:
        return rows.none()
    rows = rows.filter(state=KeyState.ACTIVE).select_related("application")
    if id:
        rows = rows.filter(pk=id)
    if scope.applications is not None:
        rows = rows.filter(application__in=scope.applications)
    return rows
