"""What REST says of usage (DESIGN section 7; the fields are fixed, more may be added)."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from keys.api.schemas import ListOut


class LatencyOut(BaseModel):
    """Milliseconds. Null where no call was answered, and where it is not kept: by version, outcome,
    status or caller (`not_kept` says so)."""

    model_config = ConfigDict(from_attributes=True)

    p50: float | None
    p95: float | None
    p99: float | None


Unkept = Annotated[
    dict[str, list[str]],
    Field(
        description="what is null because it is not kept so finely, and which of what was asked for"
        ' it is not kept by: {"latency_ms": ["version"]}'
    ),
]


class SumsOut(BaseModel):
    """error_rate = errors / (requests - denied - aborted); latencies are null where unknown.

    `cost_usd` is what providers themselves reported, null where none reported any.
    """

    model_config = ConfigDict(from_attributes=True)

    requests: int
    errors: int
    error_rate: float
    by_outcome: dict[str, int]
    by_fault: dict[str, int] = Field(
        description="errors by whose they are: caller, key, provider, between"
    )
    latency_ms: LatencyOut
    bytes_in: int
    bytes_out: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None


class TotalsOut(SumsOut):
    """`since` and `until` are what was really summed: whole buckets of the counts kept."""

    since: datetime
    until: datetime
    concurrency: float = Field(description="calls under way at once, on average")
    cost_estimate_usd: float | None = Field(
        None,
        description="by the prices set here, as they are now; null where none holds, and by version"
        " or caller, where it is not kept",
    )
    requests_without_price: int = Field(
        0, description="that ended ok, and whose provider reported no cost"
    )
    previous: "TotalsOut | None" = Field(None, description="with compare=previous")
    not_kept: Unkept = {}


class PointOut(SumsOut):
    """One step. `by`: requests per value of the dimension asked for."""

    at: datetime
    concurrency: float = Field(description="calls under way at once, on average")
    by: dict[str, int]


class GroupOut(SumsOut):
    """All calls of one value of what is ranked. An application is told by its slug."""

    value: str
    cost_estimate_usd: float | None = Field(None, description="as in the totals")
    first_day: datetime | None = Field(None, description="of a key: the first UTC day with a call")
    last_day: datetime | None = Field(None, description="of a key: the last UTC day with a call")


class SeriesOut(BaseModel):
    points: list[PointOut]
    not_kept: Unkept


class AttemptOut(BaseModel):
    """A provider key that was tried before the one that the call ended with."""

    provider_key: str
    provider_key_version: int
    outcome: str
    code: str
    status: int


class DecisionOut(BaseModel):
    """One decision about a call, in their order; the last says how it ended."""

    model_config = ConfigDict(from_attributes=True)

    step: str
    passed: bool
    text: str


class CallOut(BaseModel):
    request_id: str
    at: datetime
    source: str
    application: str
    app_key: str | None
    app_key_version: int | None
    provider: str
    provider_key: str | None
    provider_key_version: int | None
    method: str
    endpoint: str
    caller: str
    address: str
    user_agent: str
    outcome: str
    status: int
    code: str
    message: str
    remedy: str
    latency_ms: float
    first_byte_ms: float
    bytes_in: int
    bytes_out: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    attempts: int
    tried: list[AttemptOut]


class CallExplained(CallOut):
    decisions: list[DecisionOut]


class Calls(ListOut[CallOut]):
    pass


class WriterOut(BaseModel):
    """The account of one process."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    host: str
    started_at: datetime
    drained_at: datetime | None
    closed_at: datetime | None
    accepted: int
    stored: int
    duplicates: int
    pending: int
    lost: int
    late: int
    quarantined: int
    broken: int
    lag_seconds: float


class TroubleOut(BaseModel):
    """Something that is wrong, the worst first, its likely cause ("" where `text` tells it) and
    what to do; `level`: danger, warning, info."""

    model_config = ConfigDict(from_attributes=True)

    level: str
    text: str
    cause: str
    remedy: str


class LedgerOut(BaseModel):
    """accepted = stored + duplicates + quarantined + lost + late + pending."""

    model_config = ConfigDict(from_attributes=True)

    accepted: int
    stored: int
    duplicates: int
    pending: int
    lost: int
    late: int
    quarantined: int
    broken: int
    lag_seconds: float
    writers: list[WriterOut]
    troubles: list[TroubleOut]
