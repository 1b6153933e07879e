"""Which calls are wanted: a filter with what only calls tell, not their counts."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q

from usage.events import Outcome
from usage.models import Call
from usage.models.calls import NOT_OK
from usage.stats.filters import Filter


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted(Filter):
    address: str = ""  # as it is recorded
    request_id: UUID | None = None

    @property
    def only_of_calls(self) -> dict[str, Any]:
        """Lookups that calls alone have."""
        lookups: dict[str, Any] = {"address": self.address} if self.address else {}
        return lookups | ({"id": self.request_id} if self.request_id else {})

    def matches(self, call: Call) -> bool:
        """Whether a call is wanted, whenever it was made."""
        lookups = self.dimensions | self.ends | self.only_of_calls
        ids = lookups.pop("application__in", None)
        if ids is not None and call.application not in ids:
            return False
        return all(getattr(call, name) == value for name, value in lookups.items())


def matching(f: Filter) -> Q:
    """The lookups of a filter on calls, its range apart."""
    found = Q(**f.dimensions, **f.ends)
    if isinstance(f, Wanted):
        found &= Q(**f.only_of_calls)
    # Said in the words of the indexes' condition: SQLite doesn't see that it follows.
    return found & NOT_OK if f.outcome and f.outcome != Outcome.OK else found
