"""What REST says of the evidence that a verdict rests on."""

from datetime import datetime

from pydantic import BaseModel


class EvidenceOut(BaseModel):
    """What was last seen of a key: `status` 0 is no answer, `via` is probe or traffic.

    `balance` is the last one that the provider told of this secret, None where it told none.
    """

    status: int = 0
    code: str = ""
    message: str = ""
    latency_ms: float = 0.0
    at: datetime
    via: str = "probe"
    version: int = 0
    balance: float | None = None
    currency: str = ""
    balance_at: datetime | None = None
