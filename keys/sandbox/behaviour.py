"""Which sandbox key makes the upstream do what."""

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "sandbox-"


class Act(StrEnum):
    LIVE = "live"
    CREDITS = "credits"
    PLAN = "plan"
    LIMITED = "limited"
    OK_INVALID = "200-error"
    OK_CREDITS = "200-credits"
    MESSEGE = "messege"
    OBJECT = "object"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    HTML = "broken"
    TRUNCATED = "broken-json"
    SLOW = "slow"
    DRIP = "drip"
    ASYNC = "async"
    RESET = "reset"
    CUT = "cut"


MEANING = {
    Act.LIVE: "every call succeeds",
    Act.CREDITS: "402, insufficient credits",
    Act.PLAN: "403, the feature needs a higher plan",
    Act.LIMITED: "429 with retry_after",
    Act.OK_INVALID: "HTTP 200 whose body says that the key is invalid",
    Act.OK_CREDITS: "HTTP 200 whose body says that the credits are used up",
    Act.MESSEGE: "HTTP 200 whose body has the error in “messege”",
    Act.OBJECT: "400 whose message is an object",
    Act.SERVER_ERROR: "500",
    Act.UNAVAILABLE: "503",
    Act.HTML: "HTTP 200 with an HTML page where JSON is due",
    Act.TRUNCATED: "HTTP 200 with JSON that breaks off",
    Act.SLOW: "success after some seconds: sandbox-slow-2 waits two (one without a number)",
    Act.DRIP: "streams pause between events: sandbox-drip-0.5 half a second (0.2 without)",
    Act.ASYNC: "processing, then success when fetched: sandbox-async-3 is ready at the fourth"
    " fetch (the second without a number)",
    Act.RESET: "the connection is reset before an answer",
    Act.CUT: "the connection ends in the middle of the answer",
}
# "sandbox-broken-json" before "sandbox-broken"
_NAMES = sorted(((PREFIX + act.value, act) for act in Act), reverse=True)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a key makes the upstream do; `number` is the first number of its suffix."""

    act: Act
    number: float | None = None

    def number_or(self, default: float) -> float:
        return default if self.number is None else self.number


def behaviour_of(key: str) -> Behaviour | None:
    """None: no sandbox key. Any suffix after a dash makes another, independent key."""
    for name, act in _NAMES:
        if key == name or key.startswith(name + "-"):
            return Behaviour(act, _first_number(key[len(name) :].split("-")))
    return None


def _first_number(parts: list[str]) -> float | None:
    for part in parts:
        digits = part.replace(".", "", 1)
        if digits.isascii() and digits.isdigit():
            return min(float(part), 600.0)
    return None
