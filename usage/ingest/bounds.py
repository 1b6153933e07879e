"""A bound on the endpoints and callers told apart: both are the callers' words, and each is rows.

Calls and counts take the same name, so that counts can be made again from calls.
"""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from usage.ingest.kinds import Kind
from usage.models import CallerDay, EndpointDay
from usage.periods import Step

# Of one app key (at one provider, for endpoints) in one day. Each draining process counts by
# itself, from what was stored when it began with that day: with several there may be that many
# times more.
ENDPOINTS = 200
CALLERS = 200
OTHER = "(other)"
_REMEMBERED = 20_000  # app keys × days

_Place = tuple[str, str, int]  # application, app key, epoch day
_Names = tuple[set[tuple[str, str]], set[str]]  # (provider, endpoint) and callers
_known: OrderedDict[_Place, _Names] = OrderedDict()
_lock = threading.Lock()
_MINUTES = Step.DAY.seconds // 60


def bound(kinds: Iterable[Kind]) -> None:
    """Gives kinds a common name whose endpoint or caller is one too many."""
    with _lock:
        kinds = list(kinds)
        _learn({_place(kind) for kind in kinds})
        for kind in kinds:
            endpoints, callers = _known[_place(kind)]
            provider, endpoint, caller = (kind.dimensions[index] for index in (3, 6, 7))
            told = endpoint
            if (provider, endpoint) not in endpoints:
                if sum(there == provider for there, _ in endpoints) >= ENDPOINTS:
                    told = OTHER
                else:
                    endpoints.add((provider, endpoint))
            named = caller
            if caller not in callers:
                if len(callers) >= CALLERS:
                    named = OTHER
                else:
                    callers.add(caller)
            if (told, named) != (endpoint, caller):
                kind.rename(told, named)
        while len(_known) > _REMEMBERED:
            _known.popitem(last=False)


def forget() -> None:
    """For tests, whose databases come and go."""
    with _lock:
        _known.clear()


def _place(kind: Kind) -> _Place:
    return kind.dimensions[0], kind.dimensions[1], kind.minute // _MINUTES


def _learn(places: set[_Place]) -> None:
    """What was stored of the places that this process meets first, by day."""
    missing: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
    for place in places:
        if place in _known:
            _known.move_to_end(place)
        else:
            missing[place[2]].add(place[:2])
    for day, owners in missing.items():
        at = datetime.fromtimestamp(day * Step.DAY.seconds, UTC)
        app_keys = {app_key for _, app_key in owners}
        for owner in owners:
            _known[*owner, day] = (set(), set())
        endpoints = EndpointDay.objects.filter(app_key__in=app_keys, at=at)
        names = ("application", "app_key", "provider", "endpoint")
        for application, app_key, *name in endpoints.values_list(*names).distinct():
            if (application, app_key) in owners:
                _known[application, app_key, day][0].add((name[0], name[1]))
        callers = CallerDay.objects.filter(app_key__in=app_keys, at=at)
        for application, app_key, caller in callers.values_list(
            "application", "app_key", "caller"
        ).distinct():
            if (application, app_key) in owners:
                _known[application, app_key, day][1].add(caller)
