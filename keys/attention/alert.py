"""One line of the overview's list."""

from dataclasses import dataclass
from datetime import datetime

MOST = 100  # alerts of one kind that are looked for: nobody reads on


@dataclass(frozen=True, slots=True)
class Alert:
    """One line of the overview's list."""

    level: str  # danger, warning or info
    icon: str
    title: str
    detail: str
    remedy: str
    url: str
    application_id: str
    at: datetime | str | None = None
    cause: str = ""  # the likely one, where the detail is evidence
