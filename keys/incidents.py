"""Providers in trouble: most keys of one turn unknown together, and their verdicts freeze.

What is known of the looks stands in the keys (`looked_at`, `unclear_since`), so an incident is
opened and closed by whoever wrote the last look, in that transaction (its row is locked after
those of the keys, before the change counter). Reading: `open_incidents`,
`latest`, `keys_of`. One row is one incident, and at most one alert.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet

from keys.evidence import Evidence
from keys.models import Incident, ProviderKey
from keys.pacing import interval
from keys.states import Verdict

ENOUGH = 3  # keys that turned unclear together; of fewer it takes time
LASTING = timedelta(seconds=45)  # that fewer keys have been unclear
# A key that is unclear for longer than that when the others are not is odd by itself.
ODD_AFTER = timedelta(minutes=15)
RETURNED = timedelta(seconds=60)  # the looks that tell whether it is over
CLEAR_AGAINST_UNCLEAR = 3  # so many clear looks for one that isn't: over

_ON_THIS_MACHINE = "sandbox"  # it answers without a network
_UNJUDGED = (Verdict.UNKNOWN, Verdict.UNCHECKED, Verdict.UNDECRYPTABLE)


def open_incidents() -> list[Incident]:
    """The incidents that are open, the oldest first."""
    return list(Incident.objects.filter(closed_at=None).order_by("opened_at"))


def latest(limit: int = 20) -> list[Incident]:
    """The latest incidents, open or over, the newest first."""
    return list(Incident.objects.order_by("-opened_at")[:limit])


def keys_of(incident: Incident) -> QuerySet[ProviderKey]:
    """The keys whose verdicts are frozen by an open incident, or were at its end."""
    keys = ProviderKey.objects.exclude(next_check_at=None)
    return keys if incident.is_network else keys.filter(provider=incident.provider)


def covering(providers: Iterable[str]) -> dict[str, Incident]:
    """The open incident of each of these providers that has one; the network's covers all."""
    found: dict[str, Incident] = {}
    slugs = list(providers)
    for incident in open_incidents():
        for slug in slugs:
            if incident.provider == slug or (incident.is_network and slug != _ON_THIS_MACHINE):
                found[slug] = incident
    return found


def freezing(told: Mapping[str, Sequence[Evidence]]) -> dict[str, Incident]:
    """The incidents that freeze verdicts while this evidence, by provider, is judged.

    One that has seen nothing but clear answers for a while ends here: what comes now is believed.
    """
    found = covering(told)
    for slug, incident in list(found.items()):
        now = max(evidence.at for evidence in told[slug])
        unclear = any(evidence.unclear for evidence in told[slug])
        if not unclear and now - incident.last_unclear_at >= RETURNED:
            _close(incident, now)
            del found[slug]
    return found


@transaction.atomic
def review(provider: str, last_unclear: Evidence | None, now: datetime) -> None:
    """Opens or closes the provider's incident by how the latest looks ended.

    Once their looks are written; `last_unclear` is the last of those that said nothing.
    """
    incident = covering([provider]).get(provider)
    if incident is None:
        if last_unclear is not None:
            _open(provider, last_unclear, now)
        return
    if last_unclear is not None:
        _go_on(incident, last_unclear)
    if _is_over(incident, now):
        _close(incident, now)


def end_abandoned(now: datetime) -> None:
    """Closes the incidents of providers that nobody has a key to look at with any more."""
    for incident in open_incidents():
        if not keys_of(incident).exists():
            _close(incident, now)


class _Looks(NamedTuple):
    keys: int
    unclear: int
    first: datetime | None  # since when the first of these is unclear


def _looks(keys: QuerySet[ProviderKey], since: datetime) -> _Looks:
    """How the latest look at each key that was looked at since then ended."""
    told = keys.filter(looked_at__gte=since).aggregate(
        keys=Count("pk"),
        unclear=Count("pk", filter=Q(unclear_since__isnull=False)),
        first=Min("unclear_since"),
    )
    return _Looks(**told)


def _open(provider: str, evidence: Evidence, now: datetime) -> None:
    judged = ProviderKey.objects.exclude(verdict__in=_UNJUDGED)
    odd = Q(unclear_since__lt=_odd_before(provider, now))
    mine = judged.filter(provider=provider).exclude(odd)
    looks = _looks(mine, now - interval() - RETURNED)
    if looks.first is None or looks.unclear * 2 <= looks.keys:
        return
    if looks.unclear < ENOUGH and now - looks.first < LASTING:
        return
    if evidence.status == 0 and (elsewhere := _cut_off(looks.first)):
        Incident.objects.filter(pk=elsewhere.pk).update(cause="network")
        return
    Incident.objects.get_or_create(
        provider=provider,
        closed_at=None,
        defaults={
            "opened_at": now,
            "last_unclear_at": evidence.at,
            "keys_affected": looks.unclear,
            "evidence": {**_told(evidence), "unclear": looks.unclear, "asked": looks.keys},
        },
    )


def _odd_before(provider: str, now: datetime) -> datetime:
    """Keys that are unclear since before then are odd by themselves. What an incident left
    unclear isn't: a provider may stay away when the network is back."""
    before = now - ODD_AFTER
    over = Incident.objects.filter(Q(provider=provider) | Q(cause="network"), closed_at__gte=before)
    last = over.order_by("opened_at").values_list("opened_at", flat=True).first()
    return min(before, last - ODD_AFTER) if last else before


def _cut_off(since: datetime) -> Incident | None:
    """The incident of another provider that doesn't answer at all, if none of any provider has
    given a clear answer since: then it is our own network that is away."""
    clear = ProviderKey.objects.filter(looked_at__gt=since, unclear_since=None)
    if clear.exclude(verdict__in=_UNJUDGED).exclude(provider=_ON_THIS_MACHINE).exists():
        return None
    return next((one for one in open_incidents() if one.evidence.get("status") == 0), None)


def _go_on(incident: Incident, evidence: Evidence) -> None:
    unclear = keys_of(incident).filter(unclear_since__isnull=False).count()
    incident.last_unclear_at = max(incident.last_unclear_at, evidence.at)
    incident.keys_affected = max(incident.keys_affected, unclear)
    incident.evidence |= _told(evidence)
    incident.save(update_fields=["last_unclear_at", "keys_affected", "evidence"])


def _is_over(incident: Incident, now: datetime) -> bool:
    """Whether most of the latest looks got clear answers."""
    looks = _looks(keys_of(incident), max(incident.opened_at, now - RETURNED))
    clear = looks.keys - looks.unclear
    return clear > 0 and clear >= looks.unclear * CLEAR_AGAINST_UNCLEAR


def _close(incident: Incident, now: datetime) -> None:
    Incident.objects.filter(pk=incident.pk, closed_at=None).update(closed_at=now)


def _told(evidence: Evidence) -> dict[str, str | int]:
    return {"status": evidence.status, "code": evidence.code, "message": evidence.message}


def last_unclear(told: Iterable[Evidence]) -> Evidence | None:
    """The latest piece of evidence that says nothing, if there is one."""
    unclear = [evidence for evidence in told if evidence.unclear]
    return max(unclear, key=lambda evidence: evidence.at, default=None)
