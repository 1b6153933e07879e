"""One call of the wrapper: what is asked, with which provider key it is out, and its record."""

import contextlib
import time
from dataclasses import dataclass
from typing import Any

import requests
from django.db import Error

from keys import vault
from keys.providers.base import ProviderSpec
from keys.providers.injection import Outgoing
from usage import spool
from usage.events import Outcome, Source
from usage.gateway import core, desk, directory, jobs, paths
from usage.gateway.choosing import Choice
from usage.gateway.core import Judgement, Route
from usage.gateway.errors import Denial, denial
from usage.gateway.permits import Permits
from usage.gateway.recording import Recording
from usage.redaction import clip, mask

OPAQUE = b"\0"  # stands in for a body that is streamed past


class Refusal(Exception):
    """A call that was not sent; `usage.client` turns it into its own exceptions."""

    def __init__(
        self, code: str, message: str, retry_after: float = 0.0, request_id: str = ""
    ) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.code = code
        self.message = message
        self.retry_after = retry_after  # seconds; 0 where nobody can say


@dataclass(frozen=True, slots=True)
class Keyed:
    """Whose call a request is, and its path below the provider's base URL."""

    spec: ProviderSpec
    application: str
    caller: str
    target: str


class Call:
    """One call of the wrapper: with which provider key it is out, and its record."""

    def __init__(self, keyed: Keyed, request: requests.PreparedRequest) -> None:
        path, _, query = keyed.target.partition("?")
        body: Any = request.body  # may also be a file or an iterator: passed on as it comes
        body = body.encode() if isinstance(body, str) else body
        self._may_repeat = body is None or isinstance(body, bytes)
        self.spec = keyed.spec
        self.asked = Outgoing(
            request.method or "GET",
            path or "/",
            query,
            tuple((name, _text(value)) for name, value in request.headers.items()),
            (body or b"") if self._may_repeat else OPAQUE,
            _text(request.headers.get("Content-Type", "")),
        )
        self.recording = Recording(
            source=Source.WRAPPER,
            method=self.asked.method[:10],
            provider=self.spec.slug,
            endpoint=clip(self.spec.endpoint_of(self.asked.path)),
            caller=clip(keyed.caller, limit=100),
            bytes_in=int(request.headers.get("Content-Length") or 0),
        )
        self.recording.application = keyed.application
        self._permits = Permits(desk.mine().limiter, self.recording.id)
        self._choice: Choice | None = None
        self.route: Route
        self._sent: list[vault.Secret] = []

    @property
    def secrets(self) -> tuple[str, ...]:
        """The real keys that no answer to this call may show: each one the provider was told."""
        return tuple(secret.reveal() for secret in self._sent)

    def begin(self) -> Outgoing:
        """The request with the first key in its place, its start on record. Raises Refusal."""
        try:
            paths.check(self.asked.path)
            core.admit_path(self.spec, self.asked.method, self.asked.path)
            self._choice = choice = self._chosen()
            if not self._take_next(choice):
                raise choice.refusal()
            self.recording.endpoint = mask(self.recording.endpoint, self.secrets)
            armed = self.armed()
            self.recording.begin()
        except Denial as refused:
            self.end(Judgement(Outcome.DENIED, refused.recorded, refused.message))
            told = (refused.code, refused.message, refused.retry_after, self.recording.id)
            raise Refusal(*told) from None
        except spool.SpoolError as error:
            self._let_go()
            raise Refusal("unavailable", "The call cannot be recorded") from error
        return armed

    def armed(self) -> Outgoing:
        """The request with the present key in its place. Raises Denial."""
        return core.armed(self.spec, self.asked, "", self.route)

    def armed_again(self) -> Outgoing:
        """As `armed`, for a call that goes on. Raises Refusal."""
        try:
            return self.armed()
        except Denial as refused:
            self.end(Judgement(Outcome.ABORTED, refused.recorded, refused.message))
            raise Refusal(refused.code, refused.message, request_id=self.recording.id) from None

    def end(self, found: Judgement) -> None:
        """Records how the call ended."""
        self._let_go()
        self.recording.end(found)

    def may_go_on(self, found: Judgement) -> bool:
        """Whether another key may be tried after this."""
        return self._may_repeat and self._choice is not None and self._choice.goes_on(found)

    def goes_on(self, found: Judgement, status: int) -> bool:
        """Whether another key is there to be tried after this; the call has it then."""
        if self._choice is None or not self.may_go_on(found):
            return False
        attempt = self.recording.attempt(found, status)
        with contextlib.suppress(Denial):
            if self._take_next(self._choice):
                self.recording.tried = (*self.recording.tried, attempt)
                return True
        return False

    def _let_go(self) -> None:
        if self._choice is not None:
            self._choice.let_go()
        self._permits.give_back()

    def _take_next(self, choice: Choice) -> bool:
        """Whether there is a next key that has a permit for the call; the call has it then."""
        self._permits.give_back()
        try:
            while (route := choice.candidate()) is not None:
                key = route.key
                if not key.limits or self._permits.take(key.id, key.limits, time.time()).allowed:
                    choice.takes(route)
                    self.route = route
                    self._sent.append(route.secret)
                    self.recording.goes_with(route)
                    return True
                choice.full()
        except Error as error:
            raise denial("unavailable") from error
        return False

    def _chosen(self) -> Choice:
        here, now = desk.mine(), time.time()
        name = (self.recording.application, self.spec.slug)
        try:
            pool = here.directory.find(here.directory.pools, name)
            preferred = ""
            matters = len(pool) > 1 or bool(pool and here.rota.wait(pool[0].id, now))
            call = self.asked
            asked = self.spec.jobs_asked(call.method, call.path, call.body) if matters else []
            if asked and not (preferred := here.rota.maker(*name, asked)):
                shared = here.directory.run(lambda: jobs.shared(*name, asked))
                with contextlib.suppress(directory.Unavailable, TimeoutError):
                    preferred = shared.result(directory.WAIT)
        except (directory.Unavailable, TimeoutError, Error) as error:
            raise denial("unavailable") from error
        return Choice(here.rota, self.spec, pool, now, preferred)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
