"""One call through the gateway: read, decide, ask, relay, record."""

import asyncio
import contextlib
import logging
import time
import traceback

from django.core.exceptions import SynchronousOnlyOperation

from keys import vault
from keys.providers.base import ProviderSpec
from keys.providers.injection import Outgoing
from usage import spool
from usage.events import Outcome, Source
from usage.gateway import core, cors, desk, errors, headers, jobs, lookup
from usage.gateway.admission import Admission
from usage.gateway.aside import LARGE, aside
from usage.gateway.asked import Asked
from usage.gateway.choosing import Choice
from usage.gateway.core import Judgement, Route
from usage.gateway.direct import Pair, direct_of
from usage.gateway.errors import Denial, denial
from usage.gateway.inbound import Gone, Inbound, Receive, Scope, Send, too_late
from usage.gateway.permits import Permits
from usage.gateway.recording import Recording
from usage.gateway.relay import Relay
from usage.gateway.reply import Reply
from usage.gateway.transport import Body, ask, leave
from usage.limits import Ruling

logger = logging.getLogger(__name__)

DRAIN_LIMIT = 64 * 1024 * 1024  # bytes of a refused body read for clients that must send it


class Exchange:
    """The state of one call."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        direct = direct_of(send)
        self._asked = Asked(scope, direct)
        self._desk = desk.mine()
        self._directory = self._desk.directory
        self.inbound = Inbound(receive, self._asked.address, direct)
        self.recording = Recording(
            source=Source.GATEWAY,
            method=self._asked.method[:10],
            address=self._asked.address,
        )
        self.reply = Reply(self._asked, send, self.recording.id)
        self._permits = Permits(self._desk.limiter, self.recording.id)
        self._admission = Admission(self._asked, self.inbound, self.recording, self._permits)
        self._relay: Relay | None = None
        self._route: Route
        self._sent: list[vault.Secret] = []  # each that the provider was told, and may quote
        self._choice: Choice | None = None
        self._may_repeat = False  # whether the request can be sent more than once

    async def run(self) -> None:
        """Answers the call, whatever happens."""
        self.inbound.watch(early=not self._asked.value("expect"))
        try:
            await self._answer()
        except asyncio.CancelledError:
            self._abort()
            task = asyncio.current_task()
            if not self.inbound.gone or task is None:
                raise  # the server is going down
            task.uncancel()
        finally:
            self.inbound.unwatch()
            self.inbound.let_go()
            self._relay = None  # which knows us: a ring would keep the call's secrets in memory
            await self._let_go()

    async def _answer(self) -> None:
        try:
            self._asked.head.check()
            if cors.is_preflight(self._asked):
                await self._reply(204, headers.encode(cors.preflight(self._asked)), b"")
                return
            spec, outgoing, body, text = await self._prepare()
            armed = await self._arm(spec, outgoing, text)
            self.inbound.watch()
            self._begin()
            while not await self._attempt(spec, armed, body):
                armed = await self._arm(spec, outgoing, text)
        except Denial as refused:
            await self._refuse(await self._admission.refusal(refused))
        except Gone:
            self._abort()
        except Exception as error:  # a fault of ours must still end the call and its record
            # Without the error's text: it may quote what the provider or the caller sent.
            trace = "".join(traceback.format_tb(error.__traceback__))
            logger.error("%s in a call of the gateway\n%s", type(error).__name__, trace)
            await self._refuse(denial("unavailable"))

    async def _prepare(self) -> tuple[ProviderSpec, Outgoing, Body, str]:
        """The request as it came, its body where that is streamed, and the app key's text."""
        slug, outgoing = self._asked.head.request()
        known = self._directory.known(self._directory.specs, slug)
        spec = known.value if known is not None else None
        if spec is None:
            spec = await self._admission.provider(slug)
        self.recording.provider = spec.slug
        outgoing, body, text = await self._admission.enter(spec, outgoing)
        self._may_repeat = isinstance(body, bytes)
        await self._find_route(spec, outgoing)
        self._admission.hide(spec, text, self._route.secret.reveal())
        return spec, outgoing, body, text

    async def _find_route(self, spec: ProviderSpec, outgoing: Outgoing) -> None:
        """The provider key to go out with. Raises Denial."""
        name = (self.recording.application, spec.slug)
        directory, rota, now = self._directory, self._desk.rota, time.time()
        known = directory.known(directory.pools, name)
        pool = (
            known.value
            if known is not None
            else await lookup.load(directory, directory.pools, name)
        )
        preferred = ""
        if len(pool) > 1 or (pool and rota.wait(pool[0].id, now)):
            preferred = await self._maker(spec, outgoing)
        self._choice = choice = Choice(rota, spec, pool, now, preferred)
        if not await self._take_next(choice):
            raise choice.refusal()

    @property
    def ruling(self) -> Ruling:
        """What the app key's limits said."""
        return self._admission.ruling

    async def _maker(self, spec: ProviderSpec, outgoing: Outgoing) -> str:
        """The key that made the job asked for, as far as somebody knows."""
        directory, rota = self._directory, self._desk.rota
        asked = spec.jobs_asked(outgoing.method, outgoing.path, outgoing.body)
        name = (self.recording.application, spec.slug)
        maker = rota.maker(*name, asked) if asked else ""
        if asked and not maker:
            with contextlib.suppress(Denial):  # nobody can say: any key may be right
                return await lookup.run(directory, lambda: jobs.shared(*name, asked))
        return maker

    async def _take_next(self, choice: Choice) -> bool:
        """Whether there is a next key that has a permit for the call; the call has it then."""
        if self.recording.provider_key:
            await self._permits.given_back(self.recording.provider_key)
        while True:
            try:
                route = choice.candidate()
            except SynchronousOnlyOperation:  # the data key isn't open yet in this process
                route = await lookup.run(self._directory, choice.candidate)
            if route is None:
                return False
            key = route.key
            if key.limits:
                ruling = await self._permits.taken(key.id, key.limits, time.time())
                if not ruling.allowed:
                    choice.full()
                    continue
            choice.takes(route)
            self._route = route
            self._sent.append(route.secret)
            self.recording.goes_with(route)
            return True

    async def goes_on(self, found: Judgement, status: int) -> bool:
        """Whether another key of the pool is tried after this, of which nobody has seen a byte."""
        choice = self._choice
        if choice is None or not self._may_repeat or not choice.goes_on(found):
            return False
        with_this = self.recording.attempt(found, status)
        try:
            if not await self._take_next(choice):
                return False
        except Denial:
            return False
        self.recording.tried = (*self.recording.tried, with_this)
        return True

    async def _arm(self, spec: ProviderSpec, outgoing: Outgoing, text: str) -> Outgoing:
        asked = (spec, outgoing, text, self._route, self._asked.head.stripped(spec, text))
        if len(outgoing.body) <= LARGE:
            return core.armed(*asked)
        return await aside(LARGE + 1, core.armed, *asked)

    def _begin(self) -> None:
        try:
            self.recording.begin()
        except spool.SpoolError as error:
            raise denial("unavailable") from error

    async def _attempt(self, spec: ProviderSpec, outgoing: Outgoing, body: Body) -> bool:
        """Whether the caller has the answer now; else another key is to be tried."""
        self.recording.attempts += 1
        whole = body is None or isinstance(body, bytes)
        sent, length = (outgoing.body, None) if whole else (body, self._asked.announced)
        target = outgoing.path + ("?" + outgoing.query if outgoing.query else "")
        try:
            response = await ask(
                spec.base_url, target, outgoing.method, outgoing.headers, sent, length
            )
            try:
                self._relay = Relay(self, spec, outgoing, self._route, response)
                return await self._relay.run()
            finally:
                leave(response)
        except Denial as refused:
            if self.inbound.over:  # the client that sends the body makes a network fault of it
                raise denial("body_too_large") from refused
            if self.inbound.late:
                raise too_late() from refused
            if isinstance(refused, errors.NotConnected):
                found = Judgement(Outcome.NETWORK_ERROR, refused.recorded, refused.message)
                if await self.goes_on(found, 0):
                    return False
            raise

    @property
    def secrets(self) -> tuple[str, ...]:
        """The real keys that no answer to this call may show."""
        return tuple(secret.reveal() for secret in self._sent)

    async def _reply(self, status: int, pairs: list[Pair], body: bytes) -> None:
        self.recording.status = status
        await self.reply.whole(status, pairs, body)

    def end(self, found: Judgement) -> None:
        """Records how the call ended."""
        if self.inbound.size:
            self.recording.bytes_in = self.inbound.size
        self.recording.end(found)

    async def over(self, found: Judgement) -> None:
        """Ends the call before its last bytes go out: who has them may call again at once."""
        await self._let_go()
        self.end(found)

    async def _let_go(self) -> None:
        """Gives back what the call held of others' turns and permits."""
        if self._choice is not None:
            self._choice.let_go()
        if self._permits.any_held:
            await self._permits.given_back()

    async def _refuse(self, refused: Denial) -> None:
        self.inbound.unwatch()
        outcome = errors.outcome(refused, asked=self.recording.attempts > 0)
        found = Judgement(outcome, refused.recorded, refused.message)
        if self.reply.begun:
            # It broke off in the middle: without its end the server cuts the line.
            self.end(found)
            return
        if self.inbound.gone:
            self._abort()
            return
        read = self.inbound.read or not self._asked.has_body or await self._drain()
        body = errors.body(refused, self.recording.id)
        pairs = headers.encode(
            [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("cache-control", "no-store"),
                *errors.headers(refused),
            ]
        )
        if not read:
            pairs.append((b"connection", b"close"))
        self.recording.status = refused.status
        if self._admission.app_key is not None:
            await self.over(found)
        await self._reply(refused.status, pairs, body)

    async def _drain(self) -> bool:
        if (
            self.inbound.late
            or self._asked.value("expect")
            or (self._asked.announced or 0) > DRAIN_LIMIT
        ):
            return False
        return await self.inbound.drain(DRAIN_LIMIT)

    def _abort(self) -> None:
        if self._admission.app_key is not None:
            self.end(self._relay.hung_up() if self._relay else core.HUNG_UP)
