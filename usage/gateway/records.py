"""What the directory keeps of keys: facts to decide by, with secrets still sealed."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from keys.states import KeyState, Verdict
from usage.limits import Limits


@dataclass(frozen=True, slots=True)
class AppKeyRecord:
    """One version of an app key with the policy of its key. Times are epoch seconds."""

    id: str
    version: int
    application: str
    state: KeyState
    expires_at: float | None
    retired: bool
    retires_at: float | None
    providers: frozenset[str] | None
    endpoints: tuple[str, ...] | None
    dangerous_endpoints: tuple[str, ...]
    methods: frozenset[str] | None
    networks: tuple[IPv4Network | IPv6Network, ...] | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class SealedVersion:
    number: int
    sealed: str
    retires_at: float | None = None
    entered_for: str = ""  # the base URL of a custom provider


@dataclass(frozen=True, slots=True)
class PoolKey:
    """A provider key that calls may use: its current version and, in an overlap, the previous."""

    id: str
    application: str
    provider: str
    verdict: Verdict
    current: SealedVersion
    previous: SealedVersion | None = None
    priority: int = 1
    weight: int = 1
    limits: Limits | None = None  # on the calls it may have under way at once


Pool = tuple[PoolKey, ...]
