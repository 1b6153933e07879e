"""The checks of a provider key as its page lists them. Written by `keys.health` alone."""

from collections.abc import Sequence

from keys.evidence import Evidence
from keys.models import Check, ProviderKey
from keys.states import CONFIRM_AFTER, Standing, Verdict

LIMIT = 500  # checks kept of one key, besides those that moved its verdict
_UNJUDGED = (Verdict.UNCHECKED, Verdict.UNKNOWN)


def line(key: ProviderKey, evidence: Evidence, moved_to: str = "", why: str = "") -> Check:
    """One line of the timeline, not saved yet."""
    return Check(
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
        why=why,
    )


def write(lines: Sequence[Check]) -> None:
    """Save these lines; now and then the oldest quiet ones of a key go."""
    for check in Check.objects.bulk_create(lines):
        if check.pk % 50 == 0:
            quiet = Check.objects.filter(key=check.key_id, moved_to="").order_by("-at")
            oldest = quiet.values_list("at", flat=True)[LIMIT : LIMIT + 1].first()
            if oldest:
                quiet.filter(at__lte=oldest).delete()


def reason(before: Standing, after: Standing, evidence: Evidence, *, frozen: bool) -> str:
    """Why evidence moved the verdict as it did, or why it didn't; "" where it only confirms."""
    if evidence.unclear:
        return "says nothing of the key: the verdict stays"
    if after.verdict is not before.verdict:
        return _why_moved(before, after, evidence)
    if frozen and evidence.meaning is not after.verdict:
        return "held back: the provider is in trouble"
    if after.suspect and not before.suspect:
        return "first refusal: a second one a minute later decides"
    if after.suspect and evidence.meaning is Verdict.DEAD:
        return "too soon after the first refusal to decide"
    if before.suspect and not after.suspect:
        return "works again: no longer suspect"
    return ""


def _why_moved(before: Standing, after: Standing, evidence: Evidence) -> str:
    if before.verdict in _UNJUDGED:
        return "the first clear answer"
    if after.verdict is Verdict.DEAD and after.refused_at is not None:
        apart = max(evidence.at - after.refused_at, CONFIRM_AFTER).total_seconds()
        return f"refused twice, {apart:.0f} s apart"
    if after.verdict is Verdict.LIVE:
        return "one clear success is enough"
    if after.verdict is Verdict.UNDECRYPTABLE:
        return "the stored secret doesn’t open"
    return "the provider’s own word"
