"""The versions of either kind of key, as REST shows them."""

from collections.abc import Iterable

from keys.api.schemas import VersionOut
from keys.models import AppKeyVersion, ProviderKeyVersion
from keys.states import Stage


def versions_of(rows: Iterable[AppKeyVersion | ProviderKeyVersion]) -> list[VersionOut]:
    """Newest first."""
    return [
        VersionOut(
            number=row.number,
            stage=row.stage,
            last4=row.last4,
            created_at=row.created_at,
            retires_at=row.retires_at,
            last_used_at=row.last_used_at,
        )
        for row in sorted(rows, key=lambda row: -row.number)
    ]


def last4_of(versions: list[VersionOut]) -> str:
    """Of the current version; of the newest where none is current (a revoked key)."""
    for version in versions:
        if version.stage == Stage.CURRENT:
            return version.last4
    return versions[0].last4 if versions else ""
