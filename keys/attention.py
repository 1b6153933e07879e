"""What needs a person: the alerts of the overview, and the sealed vault of every page's banner."""

from keys.vault import is_sealed


def sealed() -> bool:
    """Whether secrets can't be opened now because no master key fits."""
    return is_sealed()
