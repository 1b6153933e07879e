"""One call's record: begun before the provider is asked, ended before the caller sees the end.

A call that can't be begun in the spool isn't made (nothing is spent unrecorded).
"""

import logging
import time

from uuid_utils import uuid7

from usage import spool
from usage.addresses import recorded
from usage.events import VERSION, Attempt, CallEvent, Outcome, Source
from usage.gateway.core import Judgement, Route

logger = logging.getLogger(__name__)

_OPEN = Judgement(Outcome.ABORTED)
_last_failure: float | None = None


class Recording:
    """What is known of a call so far. `end` writes once; later ends are ignored."""

    application = ""
    app_key = ""
    app_key_version = 0
    provider_key = ""
    provider_key_version = 0
    user_agent = ""
    status = 0
    first_byte_ms = 0.0
    bytes_out = 0
    attempts = 0
    tried: tuple[Attempt, ...] = ()
    number = 0
    ended = False
    _address: str | None = None  # as it is recorded
    # Where the call was begun: a child forked in its middle has another spool, and no part in it.
    kept_in: spool.Spool | None = None

    def __init__(
        self,
        source: Source,
        method: str,
        *,
        provider: str = "",
        endpoint: str = "",
        caller: str = "",
        address: str = "",
        bytes_in: int = 0,
    ) -> None:
        self.source = source
        self.method = method
        self.provider = provider
        self.endpoint = endpoint
        self.caller = caller
        self.address = address
        self.bytes_in = bytes_in
        self.id = str(uuid7())
        self.started_at = time.time_ns() // 1_000_000
        self.started = time.perf_counter()

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
            self.number = self.kept_in.begin(self._event(_OPEN, 0.0))
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
        if self._address is None:
            self._address = recorded(self.address)
        outcome, code, message, tokens_in, tokens_out, cost_nanos = found
        values = (
            self.id,
            self.source,
            self.application,
            self.provider,
            self.method,
            self.endpoint,
            self.started_at,
            self.app_key,
            self.app_key_version,
            self.provider_key,
            self.provider_key_version,
            self.caller,
            self._address,
            self.user_agent,
            outcome,
            code,
            message,
            self.status,
            latency_ms,
            self.first_byte_ms,
            self.bytes_in,
            self.bytes_out,
            tokens_in,
            tokens_out,
            cost_nanos,
            self.attempts,
            self.tried,
            VERSION,
        )
        return CallEvent._make(values)  # by name it would take three times as long


def _note_failure(what: str) -> None:
    global _last_failure
    if _last_failure is None:
        logger.error("Spool: %s", what)
    _last_failure = time.monotonic()


def _note_success() -> None:
    global _last_failure
    if _last_failure is not None:
        _last_failure = None


def failing() -> bool:
    """Whether the last start or end could not be written to the spool."""
    return _last_failure is not None
