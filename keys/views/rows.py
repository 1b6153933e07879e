"""Keys as lists and pages show them: masked, with the provider's name and what to do.

The number of queries doesn't depend on the number of keys.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import (
    BooleanField,
    ExpressionWrapper,
    Prefetch,
    Q,
    QuerySet,
    prefetch_related_objects,
)
from django.utils import timezone

from keys import attention, permissions
from keys.models import (
    AppKey,
    AppKeyVersion,
    Application,
    ProviderKey,
    ProviderKeyVersion,
    User,
)
from keys.permissions import Act
from keys.providers import ProviderSpec
from keys.states import OPEN, KeyState, Stage

Key = TypeVar("Key", ProviderKey, AppKey)
PER_PAGE = 50
REMEMBERED = timedelta(days=30)  # how long a page tells of a secret that got out


@dataclass(frozen=True, slots=True)
class ProviderKeyRow:
    key: ProviderKey
    provider: str
    spec: ProviderSpec | None
    versions: list[ProviderKeyVersion]

    @property
    def last4(self) -> str:
        return next((v.last4 for v in self.versions if v.stage == Stage.CURRENT), "")

    @property
    def rotating(self) -> bool:
        return any(version.stage != Stage.CURRENT for version in self.versions)

    @property
    def explained(self) -> str:
        return attention.explain(self.key.evidence)

    @property
    def remedy(self) -> str:
        return attention.remedy(self.key, self.provider)

    @property
    def checkable(self) -> bool:
        return self.spec is not None and self.spec.probe is not None

    @property
    def waits_for_entry(self) -> bool:
        """Whether its provider moved since its secret was entered: it isn't sent there."""
        current = [v.entered_for for v in self.versions if v.stage == Stage.CURRENT]
        return self.spec is not None and any(url != self.spec.bound_to for url in current)

    @property
    def still_live(self) -> bool:
        """Whether the provider takes a secret that was ended here."""
        return bool(self.key.live_at_provider)


@dataclass(frozen=True, slots=True)
class AppKeyRow:
    key: AppKey
    providers: str
    versions: list[AppKeyVersion]

    @property
    def last4(self) -> str:
        return next((v.last4 for v in self.versions if v.stage == Stage.CURRENT), "")

    @property
    def rotating(self) -> bool:
        return any(version.stage != Stage.CURRENT for version in self.versions)

    @property
    def limits(self) -> str:
        told = [
            (self.key.per_minute, "{}/min"),
            (self.key.per_day, "{}/day"),
            (self.key.per_month, "{}/month"),
            (self.key.concurrency, "{} at once"),
        ]
        return ", ".join(words.format(limit) for limit, words in told if limit)


def provider_key_rows(
    keys: Iterable[ProviderKey], specs: Mapping[str, ProviderSpec]
) -> list[ProviderKeyRow]:
    versions = ProviderKeyVersion.objects.filter(stage__in=OPEN).defer("sealed")
    found = list(keys)
    prefetch_related_objects(found, "application", "owner", Prefetch("versions", versions))
    rows = []
    for key in found:
        spec = specs.get(key.provider)
        name = spec.name if spec else key.provider
        rows.append(ProviderKeyRow(key, name, spec, list(key.versions.all())))
    return rows


def app_key_rows(keys: Iterable[AppKey], specs: Mapping[str, ProviderSpec]) -> list[AppKeyRow]:
    versions = AppKeyVersion.objects.filter(stage__in=OPEN).defer("sealed")
    found = list(keys)
    prefetch_related_objects(found, "application", "owner", Prefetch("versions", versions))
    rows = []
    for key in found:
        names = [specs[slug].name if slug in specs else slug for slug in key.providers or []]
        rows.append(AppKeyRow(key, ", ".join(names) or "any", list(key.versions.all())))
    return rows


def listed(keys: QuerySet[Key], number: str | None) -> Page[Key]:
    """One page of keys by name, those that ended last; the nearest page to the one asked for."""
    ended = Q(state__in=(KeyState.REVOKED, KeyState.EXPIRED))
    last = ExpressionWrapper(ended, output_field=BooleanField())
    return Paginator(keys.order_by(last, "name"), PER_PAGE).get_page(number)


def waiting_app_key(key: ProviderKey) -> AppKey | None:
    """The app key that was made with this provider key and has not been used yet, if any."""
    rows = AppKey.objects.filter(
        application=key.application, state=KeyState.ACTIVE, last_used_at=None
    )
    made = rows.select_related("application").order_by("-created_at")[:50]
    return next((row for row in made if row.providers == [key.provider]), None)


def lost(
    versions: Iterable[ProviderKeyVersion | AppKeyVersion],
) -> list[ProviderKeyVersion | AppKeyVersion]:
    """The versions that got out lately, or that their provider still takes."""
    since = timezone.now() - REMEMBERED
    return [
        version
        for version in versions
        if version.compromised_at
        and (version.compromised_at > since or getattr(version, "live_at_provider", False))
    ]


def reportable(key: AppKey | ProviderKey, got_out: Collection[object]) -> bool:
    """Whether there is anything left to report compromised: a revoked key was, or wasn't."""
    return key.state != KeyState.REVOKED or not got_out


def rights(user: User, application: Application) -> dict[str, bool]:
    """What this user may do here, for the templates: act -> yes or no."""
    acts = permissions.acts_of(user, application)
    return {act.value: act in acts for act in Act}
