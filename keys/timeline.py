"""The checks of a provider key as its page lists them. Written by `keys.health` alone."""

from collections.abc import Collection, Sequence

from django.db.models import OuterRef, QuerySet, Subquery

from keys.evidence import Evidence
from keys.models import Check, ProviderKey
from keys.states import CONFIRM_AFTER, Standing, Verdict

LIMIT = 500  # lines kept of one key, besides those that moved its verdict
MOVES = 1000  # and of those
_TOLD = ("version", "via", "meaning", "status", "code", "message", "why")
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
    """Save these lines, of keys that are held; what says nothing new is counted in the last one.

    Now and then the oldest lines of a key go.
    """
    last = _last_of({check.key_id for check in lines})
    new: list[Check] = []
    again: list[Check] = []
    for check in lines:
        there = last.get(check.key_id)
        if there is not None and _says_the_same(there, check):
            there.first_at = there.first_at or there.at
            there.at, there.latency_ms, there.times = check.at, check.latency_ms, there.times + 1
            again.append(there)
        else:
            new.append(check)
    if again:
        Check.objects.bulk_update(again, ["first_at", "at", "latency_ms", "times"])
    for check in Check.objects.bulk_create(new):
        if check.pk % 50 == 0:
            mine = Check.objects.filter(key=check.key_id)
            _keep(mine.filter(moved_to=""), LIMIT)
            _keep(mine.exclude(moved_to=""), MOVES)


def _last_of(keys: Collection[str]) -> dict[str, Check]:
    """The newest line of each of these keys."""
    newest = Check.objects.filter(key=OuterRef("pk")).order_by("-at", "-pk").values("pk")[:1]
    rows = ProviderKey.objects.filter(pk__in=keys).values_list(Subquery(newest))
    return {check.key_id: check for check in Check.objects.filter(pk__in=rows)}


def _says_the_same(there: Check, check: Check) -> bool:
    if check.moved_to or there.moved_to or check.at < there.at:
        return False
    return all(getattr(there, name) == getattr(check, name) for name in _TOLD)


def _keep(rows: QuerySet[Check], most: int) -> None:
    """Lets the oldest of them go."""
    oldest = rows.order_by("-at").values_list("at", flat=True)[most : most + 1].first()
    if oldest:
        rows.filter(at__lte=oldest).delete()


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
