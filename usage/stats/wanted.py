"""Which calls are wanted: a filter with what only calls tell, not their counts."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from usage.events import Outcome
from usage.models import Call
from usage.stats.filters import Filter

# Most calls are: the others have small indexes of their own (usage.models.calls).
NOT_OK = ~Q(outcome=Outcome.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted(Filter):
    """`version` is the app key's where one is chosen, else the provider key's; `caller` is a
    wrapper's label or an address as it is recorded."""

    version: int | None = None
    caller: str = ""
    request_id: UUID | None = None

    def matches(self, call: Call) -> bool:
        """Whether a call is wanted, whenever it was made."""
        if self.applications is not None and call.application not in self.applications:
            return False
        names = ("app_key", "provider_key", "provider", "endpoint", "outcome")
        if any(getattr(self, name) not in ("", getattr(call, name)) for name in names):
            return False
        return (
            self.status in (None, call.status)
            and self.version in (None, getattr(call, self.version_of))
            and self.caller in ("", call.caller, call.address)
            and self.request_id in (None, call.id)
        )

    @property
    def version_of(self) -> str:
        is_theirs = self.provider_key and not self.app_key
        return "provider_key_version" if is_theirs else "app_key_version"

    @property
    def only_of_calls(self) -> Q:
        found = Q()
        if self.version is not None:
            found &= Q(**{self.version_of: self.version})
        if self.caller:
            found &= Q(caller=self.caller) | Q(address=self.caller)
        if self.request_id is not None:
            found &= Q(id=self.request_id)
        return found


def matching(f: Filter) -> Q:
    """The lookups of a filter on calls, its range apart."""
    found = Q(**f.dimensions, **f.ends)
    if isinstance(f, Wanted):
        found &= f.only_of_calls
    # Said in the words of the indexes' condition: SQLite doesn't see that it follows.
    return found & NOT_OK if f.outcome and f.outcome != Outcome.OK else found
