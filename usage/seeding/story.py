"""What is asked of whom, and how it ends. Pure tables."""

import math
import random
from dataclasses import dataclass
from typing import NamedTuple

from keys.providers.answers import NANOS
from keys.sandbox.openai import ANSWERED_DOLLARS, ASKED_DOLLARS
from usage.events import UNCOUNTED, Outcome


class Ask(NamedTuple):
    """One kind of request. Milliseconds, bytes and tokens are those of an ordinary call."""

    method: str
    endpoint: str
    share: float
    median_ms: float
    bytes_out: int
    tokens_in: int = 0
    tokens_out: int = 0
    nanos_in: int = 0  # price of a token
    nanos_out: int = 0


class Ending(NamedTuple):
    """One way a call ends. `speed` scales the latency."""

    share: float
    outcome: Outcome
    status: int
    code: str = ""
    message: str = ""
    speed: float = 1.0


class Shape(NamedTuple):
    """A call without its time, its key and its luck, in the order of its row's middle."""

    method: str
    endpoint: str
    outcome: str
    code: str
    message: str
    status: int
    median_ms: float
    answered: bool
    sent: bool  # to the provider
    bytes_out: int
    tokens_in: int
    tokens_out: int
    nanos_in: int
    nanos_out: int


_IMAGES = (
    Ask("POST", "/api/v6/images/text2img", 0.46, 1400, 620),
    Ask("POST", "/api/v6/images/img2img", 0.15, 1900, 640),
    Ask("POST", "/api/v6/images/fetch/{id}", 0.21, 90, 480),
    Ask("POST", "/api/v6/image_editing/super_resolution", 0.06, 2600, 410),
    Ask("POST", "/api/v7/llm/chat/completions", 0.12, 1100, 900, 640, 180, 500, 1500),
)
_CHEAP = _IMAGES[-1]._replace(
    nanos_in=round(ASKED_DOLLARS * NANOS), nanos_out=round(ANSWERED_DOLLARS * NANOS)
)
ASKS = {
    "sandbox": (*_IMAGES[:-1], _CHEAP),
    "modelslab": _IMAGES,
    "openai": (
        Ask("POST", "/v1/chat/completions", 0.62, 1800, 1400, 900, 220, 2500, 10000),
        Ask("POST", "/v1/embeddings", 0.30, 120, 9800, 420, 0, 20, 0),
        Ask("POST", "/v1/images/generations", 0.05, 9000, 2200),
        Ask("GET", "/v1/models", 0.03, 60, 3100),
    ),
    "anthropic": (
        Ask("POST", "/v1/messages", 0.93, 2400, 1700, 1400, 310, 3000, 15000),
        Ask("POST", "/v1/messages/count_tokens", 0.07, 80, 24),
    ),
}
_OK = Ending(0.0, Outcome.OK, 200)
_MISHAPS = (
    Ending(0.021, Outcome.CALLER_ERROR, 400, "bad_request", "prompt is required", 0.05),
    Ending(0.004, Outcome.CALLER_ERROR, 422, "bad_request", "width must be at most 1024", 0.05),
    Ending(0.009, Outcome.RATE_LIMITED, 429, "rate_limited", "Rate limit exceeded", 0.04),
    Ending(0.006, Outcome.UPSTREAM_ERROR, 500, "server_error", "Internal server error", 0.6),
    Ending(0.002, Outcome.UPSTREAM_ERROR, 502, "upstream_error", "Bad gateway", 0.4),
    Ending(0.004, Outcome.NETWORK_ERROR, 504, "upstream_timeout", "No answer in time", 12.0),
    Ending(0.008, Outcome.DENIED, 429, "rate_limited", "Rate limit of this app key", 0.001),
    Ending(0.005, Outcome.ABORTED, 0, "", "The caller hung up before the end", 0.7),
)
_SPENT = Ending(0.82, Outcome.KEY_ERROR, 402, "key_exhausted", "Insufficient credits", 0.05)
_CARELESS = Ending(0.38, Outcome.CALLER_ERROR, 400, "bad_request", "prompt is required", 0.05)
_DOWN = Ending(0.7, Outcome.UPSTREAM_ERROR, 503, "unavailable", "Service unavailable", 0.1)
# How the calls of each mood end; what is left of the shares is well.
MOODS = {
    "plain": _MISHAPS,
    "spent": (_SPENT, *_MISHAPS),
    "careless": (_CARELESS, *_MISHAPS),
    "down": (_DOWN, *_MISHAPS),
}
SHAPES = 4096  # of each provider and mood


def shapes(provider: str, mood: str, luck: random.Random) -> list[Shape]:
    """SHAPES calls drawn beforehand, to pick from by chance: drawing each costs too much."""
    asks, mishaps = ASKS[provider], MOODS[mood]
    endings = (*mishaps, _OK)
    shares = [one.share for one in mishaps]
    weights = [*shares, max(0.0, 1.0 - sum(shares))]
    asked = luck.choices(asks, [ask.share for ask in asks], k=SHAPES)
    ended = luck.choices(endings, weights, k=SHAPES)
    return [_shape(ask, ending) for ask, ending in zip(asked, ended, strict=True)]


def _shape(ask: Ask, ending: Ending) -> Shape:
    well = ending.outcome is Outcome.OK
    answered = ending.status > 0 and ending.outcome is not Outcome.NETWORK_ERROR
    return Shape(
        method=ask.method,
        endpoint=ask.endpoint,
        outcome=ending.outcome.value,
        code=ending.code,
        message=ending.message,
        status=ending.status,
        median_ms=ask.median_ms * ending.speed,
        answered=answered and ending.outcome not in UNCOUNTED,
        sent=ending.outcome is not Outcome.DENIED,
        bytes_out=ask.bytes_out if well else 140 if answered else 0,
        tokens_in=ask.tokens_in if well else 0,
        tokens_out=ask.tokens_out if well else 0,
        nanos_in=ask.nanos_in if well else 0,
        nanos_out=ask.nanos_out if well else 0,
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """Factors around 1, drawn beforehand; `of[getrandbits(BITS)]` is one by chance."""

    of: list[float]

    BITS = 12

    @classmethod
    def lognormal(cls, sigma: float, luck: random.Random) -> "Spread":
        return cls([math.exp(luck.gauss(0, sigma)) for _ in range(1 << cls.BITS)])
