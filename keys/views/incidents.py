"""Incidents as pages show them: of the providers whose keys somebody sees."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from keys import attention, incidents
from keys.models import Incident
from keys.providers import ProviderSpec

SHOWN = 5


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident; `provider` is its name."""

    incident: Incident
    provider: str

    @property
    def explained(self) -> str:
        return attention.explain(self.incident.evidence) or "No answer"


def incident_rows(
    providers: Collection[str], specs: Mapping[str, ProviderSpec]
) -> list[IncidentRow]:
    """The latest incidents of these providers, or of the network between them and us."""
    rows = [
        IncidentRow(one, specs[one.provider].name if one.provider in specs else one.provider)
        for one in incidents.latest(50)
        if one.is_network or one.provider in providers
    ]
    return rows[:SHOWN]


def incident_of(provider: str, specs: Mapping[str, ProviderSpec]) -> IncidentRow | None:
    """The open incident that freezes the verdicts of a provider's keys, if there is one."""
    found = incidents.covering([provider]).get(provider)
    name = specs[provider].name if provider in specs else provider
    return IncidentRow(found, name) if found else None
