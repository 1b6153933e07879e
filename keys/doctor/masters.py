"""Which master keys wrap the data keys, and which of them are loaded."""

from dataclasses import dataclass

from django.db.models import Count

from keys import vault
from keys.models import DataKey
from keys.vault import Sealed


@dataclass(frozen=True, slots=True)
class MasterUse:
    """A master key, by its fingerprint, and how many data keys it wraps."""

    fingerprint: str
    data_keys: int
    role: str  # primary, loaded or missing


def master_keys() -> list[MasterUse]:
    """The loaded master keys, primary first, then those that are missing."""
    rows = DataKey.objects.values_list("master").annotate(n=Count("pk"))
    wrapped: dict[str, int] = dict(rows)
    try:
        loaded = vault.loaded_masters()
    except Sealed:
        loaded = []
    roles = dict.fromkeys(wrapped, "missing") | dict.fromkeys(loaded, "loaded")
    roles |= dict.fromkeys(loaded[:1], "primary")
    order = [*loaded, *sorted(roles.keys() - set(loaded))]
    return [MasterUse(name, wrapped.get(name, 0), roles[name]) for name in order]
