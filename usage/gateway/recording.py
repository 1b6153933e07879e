"""One call's record: begun before the provider is asked, ended before the caller sees the end.

A call that can't be begun in the spool isn't made (nothing is spent unrecorded).
"""

import logging
import time
from dataclasses import dataclass, field

from uuid_utils import uuid7

from usage import spool
from usage.addresses import recorded
from usage.events import Attempt, CallEvent, Outcome, Source
from usage.gateway.core import Judgement, Route

logger = logging.getLogger(__name__)

_last_failure: float | None = None


@dataclass(slots=True)
class Recording:
    """What is known of a call so far. `end` writes once; later ends are ignored."""

    source: Source
    method: str
    provider: str = ""
    endpoint: str = ""
    application: str = ""
    app_key: str = ""
    app_key_version: int = 0
    provider_key: str = ""
    provider_key_version: int = 0
    caller: str = ""
    address: str = ""
    user_agent: str = ""
    status: int = 0
    first_byte_ms: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    attempts: int = 0
    tried: tuple[Attempt, ...] = ()
    id: str = field(default_factory=lambda: str(uuid7()))
    started_at: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    started: float = field(default_factory=time.perf_counter)
    number: int = 0
    ended: bool = False
    # Where the call was begun: a child forked in its middle has another spool, and no part in it.
    kept_in: spool.Spool | None = None

    def goes_with(self, route: Route) -> None:
        """The call goes out with this provider key."""
        self.provider_key = route.key.id
        self.provider_key_version = route.version.number

    def attempt(self, found: Judgement, status: int) -> Attempt:
        """What came of the provider key that the call is out with."""
        return Attempt(
            provider_key=self.provider_key,
            provider_key_version=self.provider_key_version,
            outcome=found.outcome,
            code=found.code,
            status=status,
        )

    @property
    def elapsed_ms(self) -> float:
        return round((time.perf_counter() - self.started) * 1000, 3)

    def begin(self) -> None:
        """Raises SpoolError when the start can't be written."""
        try:
            self.kept_in = spool.mine()
            self.number = self.kept_in.begin(self._event(Judgement(Outcome.ABORTED), 0.0))
        except spool.SpoolError:
            _note_failure("cannot record the start of a call")
            raise
        _note_success()

    def end(self, found: Judgement) -> None:
        """Writes how the call ended. A call not begun yet (denied) is begun and ended here."""
        if self.ended:
            return
        self.ended = True
        try:
            if not self.number:
                self.begin()
            if self.kept_in is not None:
                self.kept_in.end(self.number, self._event(found, self.elapsed_ms))
        except spool.SpoolError:
            # The answer is under way and the spool keeps the end for a better moment.
            _note_failure("cannot record the end of a call yet")

    def _event(self, found: Judgement, latency_ms: float) -> CallEvent:
        return CallEvent(
            id=self.id,
            source=self.source,
            application=self.application,
            provider=self.provider,
            method=self.method,
            endpoint=self.endpoint,
            started_at=self.started_at,
            app_key=self.app_key,
            app_key_version=self.app_key_version,
            provider_key=self.provider_key,
            provider_key_version=self.provider_key_version,
            caller=self.caller,
            address=recorded(self.address),
            user_agent=self.user_agent,
            outcome=found.outcome,
            code=found.code,
            message=found.message,
            status=self.status,
            latency_ms=latency_ms,
            first_byte_ms=self.first_byte_ms,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            tokens_in=found.tokens_in,
            tokens_out=found.tokens_out,
            cost_nanos=found.cost_nanos,
            attempts=self.attempts,
            tried=self.tried,
        )


def _note_failure(what: str) -> None:
    global _last_failure
    if _last_failure is None:
        logger.error("Spool: %s", what)
    _last_failure = time.monotonic()


def _note_success() -> None:
    global _last_failure
    _last_failure = None


def failing() -> bool:
    """Whether the last start or end could not be written to the spool."""
    return _last_failure is not None
