"""A bound on the endpoints told apart: paths are the callers', and each is a row of counts.

Calls and counts take the same name, so that counts can be made again from calls.
"""

import threading
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime

from usage.events import CallEvent
from usage.ingest.rows import time_of
from usage.models import EndpointDay
from usage.periods import Step, floor

# Of one app key at one provider in one day. Each draining process counts by itself, from what
# was stored when it began with that day: with several there may be that many times more.
MOST = 200
OTHER = "(other)"
_REMEMBERED = 2000  # app keys × providers × days

_Place = tuple[str, str, str, datetime]
_known: OrderedDict[_Place, set[str]] = OrderedDict()
_lock = threading.Lock()


def bounded(event: CallEvent) -> CallEvent:
    """The event, under a common name when its endpoint is one too many. Raises ValueError."""
    day = floor(time_of(event.started_at), Step.DAY)
    place = (event.application, event.app_key, event.provider, day)
    with _lock:
        names = _names(place)
        if event.endpoint in names:
            return event
        if len(names) >= MOST:
            return replace(event, endpoint=OTHER)
        names.add(event.endpoint)
    return event


def forget() -> None:
    """For tests, whose databases come and go."""
    with _lock:
        _known.clear()


def _names(place: _Place) -> set[str]:
    if place in _known:
        _known.move_to_end(place)
        return _known[place]
    application, app_key, provider, day = place
    rows = EndpointDay.objects.filter(
        application=application, app_key=app_key, provider=provider, at=day
    )
    _known[place] = set(rows.values_list("endpoint", flat=True).distinct())
    if len(_known) > _REMEMBERED:
        _known.popitem(last=False)
    return _known[place]
