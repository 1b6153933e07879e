"""Providers in trouble, as alerts see them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from keys import incidents


class Trouble(Protocol):
    """One open incident: most keys of a provider gave no clear answer together."""

    @property
    def provider(self) -> str: ...
    @property
    def is_network(self) -> bool: ...
    @property
    def opened_at(self) -> datetime: ...
    @property
    def keys_affected(self) -> int: ...
    @property
    def evidence(self) -> Mapping[str, Any]: ...


def open_troubles() -> Iterable[Trouble]:
    """Those that are open now."""
    return incidents.open_incidents()
