"""Evidence: what one answer of a provider, or its absence, says of one version of a key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keys.providers import Kind
from keys.states import Verdict

MESSAGE_LIMIT = 200  # characters
CODE_LIMIT = 60

MEANINGS: dict[str, Verdict] = {
    Kind.OK: Verdict.LIVE,
    Kind.KEY_INVALID: Verdict.DEAD,
    Kind.KEY_EXHAUSTED: Verdict.EXHAUSTED,
    Kind.KEY_LIMITED: Verdict.LIMITED,
}
UNDETERMINED = (Verdict.UNKNOWN, Verdict.UNCHECKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one answer (or its absence) says of one version of a key; redacted already.

    Code and message are clipped here, and freed of what a database refuses.
    """

    meaning: Verdict
    at: datetime
    status: int = 0  # HTTP; 0: no answer
    code: str = ""
    message: str = ""
    latency_ms: float = 0.0
    via: str = "probe"  # or traffic
    version: int = 0
    balance: float | None = None  # what is left to spend, where a probe's answer tells it
    currency: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", self.code.replace("\0", "")[:CODE_LIMIT])
        object.__setattr__(self, "message", self.message.replace("\0", "")[:MESSAGE_LIMIT])

    @property
    def unclear(self) -> bool:
        """Whether it says nothing of the key."""
        return self.meaning in UNDETERMINED

    def as_json(self) -> dict[str, Any]:
        """What the key's row keeps of it."""
        return {
            "meaning": str(self.meaning),
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "latency_ms": round(self.latency_ms, 1),
            "at": self.at.isoformat(),
            "via": self.via,
            "version": self.version,
            "balance": self.balance,
            "currency": self.currency,
            "balance_at": None if self.balance is None else self.at.isoformat(),
        }
