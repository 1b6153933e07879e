"""The checks of a provider key as its page lists them. Written by `keys.health` alone."""

from typing import TYPE_CHECKING

from keys.models import Check, ProviderKey

if TYPE_CHECKING:
    from keys.health import Evidence

LIMIT = 500  # checks kept of one key, besides those that moved its verdict


def write(key: ProviderKey, evidence: "Evidence", moved_to: str) -> None:
    """One line of the timeline; now and then the oldest quiet ones go."""
    check = Check.objects.create(
        key=key,
        version=evidence.version,
        at=evidence.at,
        via=evidence.via,
        meaning=evidence.meaning,
        status=evidence.status,
        code=evidence.code,
        message=evidence.message,
        latency_ms=evidence.latency_ms,
        moved_to=moved_to,
    )
    if check.pk % 50 == 0:
        quiet = Check.objects.filter(key=key, moved_to="").order_by("-at")
        oldest = quiet.values_list("at", flat=True)[LIMIT : LIMIT + 1].first()
        if oldest:
            quiet.filter(at__lte=oldest).delete()
