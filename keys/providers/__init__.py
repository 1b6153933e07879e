"""Providers: upstream HTTP APIs, how their keys travel and how their answers read."""

from keys.providers.base import Example, Kind, Placement, Probe, ProviderSpec, Reading
from keys.providers.registry import UnknownProvider, all_specs, get, names

__all__ = [
    "Example",
    "Kind",
    "Placement",
    "Probe",
    "ProviderSpec",
    "Reading",
    "UnknownProvider",
    "all_specs",
    "get",
    "names",
]
