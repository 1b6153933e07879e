"""The call event: the one envelope that wrapper and gateway emit (DESIGN door 4). Pure.

Frozen, versioned, already redacted: no secret, no body, no query string ever enters it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

VERSION = 3
KNOWN = frozenset({1, 2, VERSION})  # 1 had no `tried`, 2 no `cost_nanos`


class Outcome(StrEnum):
    """How one call ended, by whose fault (DESIGN section 2)."""

    OK = "ok"
    DENIED = "denied"
    CALLER_ERROR = "caller_error"
    KEY_ERROR = "key_error"
    RATE_LIMITED = "rate_limited"
    UPSTREAM_ERROR = "upstream_error"
    NETWORK_ERROR = "network_error"
    ABORTED = "aborted"


ERRORS = frozenset(
    {
        Outcome.CALLER_ERROR,
        Outcome.KEY_ERROR,
        Outcome.RATE_LIMITED,
        Outcome.UPSTREAM_ERROR,
        Outcome.NETWORK_ERROR,
    }
)
UNCOUNTED = frozenset({Outcome.DENIED, Outcome.ABORTED})  # not in error_rate's denominator


def dollars(nanos: int) -> float | None:
    """Billionths of a US dollar as dollars; None where no cost was reported."""
    return nanos / 10**9 if nanos else None


class Source(StrEnum):
    GATEWAY = "gateway"
    WRAPPER = "wrapper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one provider key before another was tried."""

    provider_key: str
    provider_key_version: int
    outcome: Outcome
    code: str
    status: int

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Attempt":
        """Raises KeyError, TypeError and ValueError for what is none."""
        return cls(**{**data, "outcome": Outcome(data["outcome"])})


class CallEvent(NamedTuple):
    """One logical call, however many attempts it took.

    Ids are public ids; an empty string means none. Times are epoch milliseconds (UTC),
    durations milliseconds, sizes bytes of bodies.
    """

    id: str  # UUIDv7, also the caller's X-Request-Id
    source: Source
    application: str  # application id
    provider: str  # slug
    method: str
    endpoint: str  # upstream path without query, ids replaced by {id}
    started_at: int
    app_key: str = ""
    app_key_version: int = 0
    provider_key: str = ""
    provider_key_version: int = 0
    caller: str = ""  # the wrapper's caller label
    address: str = ""
    user_agent: str = ""
    outcome: Outcome = Outcome.ABORTED
    code: str = ""  # provider's error code, or our denial code
    message: str = ""  # redacted, at most 200 characters
    status: int = 0  # HTTP status the caller saw; 0: no answer
    latency_ms: float = 0.0
    first_byte_ms: float = 0.0
    bytes_in: int = 0  # request body
    bytes_out: int = 0  # response body
    tokens_in: int = 0
    tokens_out: int = 0
    cost_nanos: int = 0  # billionths of a US dollar that the provider reported; 0: none
    attempts: int = 0
    tried: tuple[Attempt, ...] = ()  # before the one that the rest tells of
    v: int = VERSION

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "CallEvent":
        """Reads a stored event. Raises ValueError when it is not one of a known version."""
        if data.get("v") not in KNOWN:
            raise ValueError(f"unknown event version {data.get('v')!r}")
        unknown = data.keys() - _NAMES
        if unknown:
            raise ValueError(f"unknown event fields {sorted(unknown)}")
        try:
            event = cls(
                **{
                    **data,
                    "v": VERSION,
                    "source": Source(data["source"]),
                    "outcome": Outcome(data.get("outcome", Outcome.ABORTED)),
                    "tried": tuple(map(Attempt.from_dict, data.get("tried", ()))),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"incomplete event: {error}") from error
        return event


_NAMES = frozenset(CallEvent._fields)
