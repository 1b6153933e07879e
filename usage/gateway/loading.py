"""Reads what the directory keeps. Runs in the directory's thread alone."""

from datetime import datetime
from ipaddress import ip_network

from keys import providers
from keys.models import AppKeyVersion, Application, ProviderKey, ProviderKeyVersion
from keys.providers.base import ProviderSpec
from keys.states import KeyState, Stage, Verdict
from usage.gateway.records import AppKeyRecord, Pool, PoolKey, SealedVersion
from usage.limits import Limits


def app_key(lookup: str) -> AppKeyRecord | None:
    """The app key whose version has this keyed hash, in whatever state it is."""
    version = (
        AppKeyVersion.objects.select_related("key").filter(lookup=lookup).first()
        if lookup
        else None
    )
    if version is None:
        return None
    key = version.key
    return AppKeyRecord(
        id=key.id,
        version=version.number,
        application=key.application_id,
        state=KeyState(key.state),
        expires_at=_epoch(key.expires_at),
        # The end of an overlap is always written down; one without it is none of Keydeck's.
        retired=version.stage != Stage.CURRENT
        and (version.stage != Stage.PREVIOUS or version.retires_at is None),
        retires_at=_epoch(version.retires_at) if version.stage == Stage.PREVIOUS else None,
        providers=None if key.providers is None else frozenset(key.providers),
        endpoints=None if key.endpoints is None else tuple(key.endpoints),
        dangerous_endpoints=tuple(key.dangerous_endpoints or ()),
        methods=None if key.methods is None else frozenset(key.methods),
        networks=None if key.ips is None else tuple(ip_network(ip, strict=False) for ip in key.ips),
        limits=Limits(key.per_minute, key.per_day, key.per_month, key.concurrency),
    )


def pool(name: tuple[str, str]) -> Pool:
    """The keys of (application id, provider slug) that calls may use, oldest first."""
    application, provider = name
    keys = (
        ProviderKey.objects.filter(
            application_id=application, provider=provider, state=KeyState.ACTIVE
        )
        .prefetch_related("versions")
        .order_by("created_at", "id")
    )
    found = []
    for key in keys:
        stages = {version.stage: version for version in key.versions.all()}
        current, previous = stages.get(Stage.CURRENT), stages.get(Stage.PREVIOUS)
        if current is not None:
            if previous and (
                previous.entered_for != current.entered_for or previous.retires_at is None
            ):
                previous = None  # it belongs to another address, or its overlap has no end
            found.append(
                PoolKey(
                    id=key.id,
                    application=application,
                    provider=provider,
                    verdict=Verdict(key.verdict),
                    current=_sealed(current),
                    previous=_sealed(previous) if previous else None,
                    priority=key.priority,
                    weight=max(key.weight, 1),
                    limits=Limits(concurrency=key.concurrency) if key.concurrency else None,
                )
            )
    return tuple(found)


def _sealed(version: ProviderKeyVersion) -> SealedVersion:
    return SealedVersion(
        version.number, version.sealed, _epoch(version.retires_at), version.entered_for
    )


def spec(slug: str) -> ProviderSpec | None:
    """The provider of that slug, built in or custom."""
    try:
        return providers.get(slug)
    except providers.UnknownProvider:
        return None


def application(slug: str) -> str | None:
    """The id of the application of that slug."""
    return Application.objects.filter(slug=slug).values_list("id", flat=True).first()


def _epoch(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
