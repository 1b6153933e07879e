"""States, stages, verdicts and the tables that say how they may change. Pure: imports nothing.

The words are DESIGN section 2's. `keys.lifecycle` applies TRANSITIONS by compare-and-swap,
`keys.health` applies `judge`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class KeyState(StrEnum):
    """State of a provider key or an app key (`expired` is an app key's only)."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Stage(StrEnum):
    """Stage of one version of a key."""

    PENDING = "pending"
    TESTED = "tested"
    CURRENT = "current"
    PREVIOUS = "previous"
    RETIRED = "retired"
    FAILED = "failed"


class Verdict(StrEnum):
    """What the latest evidence says of a provider key."""

    LIVE = "live"
    LIMITED = "limited"
    EXHAUSTED = "exhausted"
    DEAD = "dead"
    UNKNOWN = "unknown"
    UNCHECKED = "unchecked"
    UNDECRYPTABLE = "undecryptable"


class Role(StrEnum):
    OWNER = "owner"
    DEVELOPER = "developer"
    VIEWER = "viewer"


CHANGEABLE = frozenset({KeyState.ACTIVE, KeyState.DISABLED})  # not over yet

# act -> (states it may start from, state it ends in)
TRANSITIONS: dict[str, tuple[frozenset[KeyState], KeyState]] = {
    "disable": (frozenset({KeyState.ACTIVE}), KeyState.DISABLED),
    "enable": (frozenset({KeyState.DISABLED}), KeyState.ACTIVE),
    "revoke": (CHANGEABLE | {KeyState.EXPIRED}, KeyState.REVOKED),
    "expire": (CHANGEABLE, KeyState.EXPIRED),
}

# A version's life; a stage not named here is final.
STAGES: dict[Stage, frozenset[Stage]] = {
    Stage.PENDING: frozenset({Stage.TESTED, Stage.FAILED}),
    Stage.TESTED: frozenset({Stage.CURRENT, Stage.FAILED}),
    Stage.CURRENT: frozenset({Stage.PREVIOUS, Stage.RETIRED}),
    Stage.PREVIOUS: frozenset({Stage.CURRENT, Stage.RETIRED}),
}

OPEN = tuple(STAGES)  # in use, or about to be
WORKING = (Stage.CURRENT, Stage.PREVIOUS)  # calls are made with them

# A pool uses these verdicts; `exhausted` only when nothing else is left.
USABLE = frozenset({Verdict.LIVE, Verdict.LIMITED, Verdict.UNKNOWN, Verdict.UNCHECKED})
LAST_RESORT = frozenset({Verdict.EXHAUSTED})

# Two determinate refusals at least this far apart make a key that was once live dead, and end the
# watch over a secret that was ended here.
CONFIRM_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a provider key before the next evidence.

    `refused_at` is when the first determinate refusal of the present suspicion was seen;
    a key with `refused_at` and a verdict other than dead is shown as suspect.
    """

    verdict: Verdict
    refused_at: datetime | None = None

    @property
    def suspect(self) -> bool:
        return self.refused_at is not None and self.verdict is not Verdict.DEAD


def judge(standing: Standing, meaning: Verdict, at: datetime, *, frozen: bool = False) -> Standing:
    """The standing after evidence that means `meaning`, seen at `at` (DESIGN section 7).

    Unknown never replaces a verdict. A key not yet judged takes its first answer at once.
    A refusal of a key judged before makes it suspect, a second one CONFIRM_AFTER later dead.
    Any determinate success takes the suspicion away, unless it was seen before the refusal.

    `frozen`: the provider is in trouble, so that what it says against a key is not believed. A
    refusal makes suspect, and nothing but a success moves a verdict.
    """
    after = _believed(standing, meaning, at)
    stays = after.verdict in (standing.verdict, Verdict.LIVE, Verdict.UNDECRYPTABLE)
    if not frozen or stays or standing.verdict in (Verdict.UNCHECKED, Verdict.UNKNOWN):
        return after
    return Standing(standing.verdict, after.refused_at or standing.refused_at)


def _believed(standing: Standing, meaning: Verdict, at: datetime) -> Standing:
    if meaning in (Verdict.UNKNOWN, Verdict.UNCHECKED):
        first = standing.verdict is Verdict.UNCHECKED and meaning is Verdict.UNKNOWN
        return Standing(Verdict.UNKNOWN, standing.refused_at) if first else standing
    if meaning is not Verdict.DEAD:
        late = standing.refused_at is not None and at < standing.refused_at
        return standing if late else Standing(meaning)
    if standing.verdict in (Verdict.UNCHECKED, Verdict.UNKNOWN, Verdict.DEAD):
        return Standing(Verdict.DEAD, standing.refused_at or at)
    if standing.refused_at is None:
        return Standing(standing.verdict, at)
    if at - standing.refused_at >= CONFIRM_AFTER:
        return Standing(Verdict.DEAD, standing.refused_at)
    return standing
