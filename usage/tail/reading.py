"""Reading the order in which calls were stored."""

import re
from dataclasses import dataclass
from typing import NamedTuple, Self
from uuid import UUID

from usage.models import Arrival, ArrivalHead, Call

ARRIVALS = 50  # of one look, at most
CALLS = 500  # of one look: further arrivals wait for the next
_TEXT = re.compile(r"(\d{1,18})-(\d{1,9})", re.ASCII)


class Place(NamedTuple):
    """How far somebody has read: into the arrival with this number, and all before it."""

    number: int
    seen: int  # of its calls

    def __str__(self) -> str:
        return f"{self.number}-{self.seen}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError("no such place")
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class News:
    """Calls in the order they were stored, each with the place behind it; and where it ends."""

    calls: list[tuple[Place, Call]]
    behind: Place
    missed: bool = False  # some between the place asked for and the first are not known any more


def newest() -> Place:
    """Behind everything that is stored."""
    head = ArrivalHead.objects.filter(pk=1).values_list("number", flat=True).first() or 0
    return Place(head + 1, 0)


def read(place: Place) -> News:
    """What was stored from a place on, at most about CALLS calls."""
    end = newest()  # first: what is stored between the two looks is news of the next
    if place.number == end.number:
        return News([], place)
    rows = list(Arrival.objects.filter(number__gte=place.number).order_by("number")[:ARRIVALS])
    if place > end or not rows:
        # A database put back from a backup, or arrivals that were all let go of.
        return News([], end, missed=True)
    found: list[tuple[Place, Call]] = []
    behind, missed = place, rows[0].number > place.number
    for row in rows:
        if found and len(found) + len(row.ids) // 16 > CALLS:
            break
        first = place.seen if row.number == place.number else 0
        found += _calls_of(row, first)
        behind = Place(row.number + 1, 0)
    return News(found, behind, missed)


def _calls_of(row: Arrival, first: int) -> list[tuple[Place, Call]]:
    data = bytes(row.ids)
    ids = [UUID(bytes=data[at : at + 16]) for at in range(first * 16, len(data), 16)]
    made = Call.objects.filter(started_at__gte=row.earliest, started_at__lte=row.latest)
    calls = {call.id: call for call in made.filter(id__in=ids)}
    return [
        (Place(row.number, first + index + 1), calls[id])
        for index, id in enumerate(ids)
        if id in calls  # else trimmed or erased since
    ]
