"""One call through the gateway: read, decide, ask, relay, record."""

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TypeVar

from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError

from keys import vault
from keys.providers.base import ProviderSpec
from keys.providers.injection import Outgoing
from usage import ingest, spool
from usage.events import Outcome, Source
from usage.gateway import core, desk, directory, errors, headers, paths
from usage.gateway.asked import Asked
from usage.gateway.core import Judgement, Route
from usage.gateway.directory import Shelf
from usage.gateway.errors import Denial, denial
from usage.gateway.inbound import Gone, Inbound, Receive, Scope, Send
from usage.gateway.recording import Recording
from usage.gateway.records import AppKeyRecord
from usage.gateway.relay import Relay
from usage.gateway.transport import Body, ask
from usage.redaction import clip

logger = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

DRAIN_LIMIT = 64 * 1024 * 1024  # bytes of a refused body read for clients that must send it
_OPAQUE = b"\0"  # stands in for a body that is streamed past
_NETWORK = frozenset({"upstream_unreachable", "upstream_timeout"})


class Exchange:
    """The state of one call."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._asked = Asked(scope)
        self._send = send
        self._desk = desk.mine()
        self.inbound = Inbound(receive)
        self.recording = Recording(
            source=Source.GATEWAY,
            method=self._asked.method[:10],
            address=self._asked.address,
            user_agent=clip(self._asked.value("user-agent")),
        )
        self._app_key: AppKeyRecord | None = None
        self._holds_permit = False
        self.started = False  # whether the caller has our response line

    async def run(self) -> None:
        """Answers the call, whatever happens."""
        watch: asyncio.Task[None] | None = None
        try:
            spec, outgoing, route, body = await self._prepare()
            watch = self.inbound.watch()
            await self._forward(spec, outgoing, route, body, watch)
        except Denial as refused:
            await self._refuse(refused)
        except Gone:
            self._abort()
        except asyncio.CancelledError:
            self._abort()
            task = asyncio.current_task()
            if not self.inbound.gone or task is None:
                raise  # the server is going down
            task.uncancel()
        except Exception as error:  # a fault of ours must still end the call and its record
            # Without the error's text: it may quote what the provider or the caller sent.
            trace = "".join(traceback.format_tb(error.__traceback__))
            logger.error("%s in a call of the gateway\n%s", type(error).__name__, trace)
            await self._refuse(denial("unavailable"))
        finally:
            if watch is not None:
                watch.cancel()
            await self._give_back()

    async def _prepare(self) -> tuple[ProviderSpec, Outgoing, Route, Body]:
        self._asked.check()
        slug, path = paths.split(self._asked.raw_path)
        spec = await self._find(self._desk.directory.specs, slug)
        if spec is None:
            raise denial("unknown_provider")
        self.recording.provider = spec.slug
        self.recording.endpoint = clip(spec.endpoint_of(path))
        outgoing = Outgoing(
            self._asked.method,
            path,
            self._asked.query,
            tuple(headers.to_provider(self._asked.headers)),
            b"",
            self._asked.value("content-type"),
        )
        outgoing, body, text = await self._credentials(spec, outgoing)
        route = await self._route(spec, outgoing)
        armed = core.armed(spec, outgoing, text, route)
        if not isinstance(body, AsyncIterator):
            body = armed.body or None
        return spec, armed, route, body

    async def _credentials(
        self, spec: ProviderSpec, outgoing: Outgoing
    ) -> tuple[Outgoing, Body, str]:
        """Reads as much of the body as it takes to know who asks, and admits them."""
        found = core.found_in(outgoing, spec)
        text = core.app_key_text(found)
        if text:
            await self._admit(text, spec, outgoing.path)
        if not self._asked.must_be_read(key_known=bool(text)):
            if not text:
                raise self._stranger("invalid_key" if found else "key_required")
            return replace(outgoing, body=_OPAQUE), self.inbound.stream(), text
        content = await self.inbound.body(settings.GATEWAY_BODY_LIMIT, self._asked.announced or 0)
        self.recording.bytes_in = len(content)
        outgoing = replace(outgoing, body=content)
        if content:
            found = core.found_in(outgoing, spec)
        if not text:
            text = core.app_key_text(found)
            if not text:
                raise self._stranger("invalid_key" if found else "key_required")
            await self._admit(text, spec, outgoing.path)
        elif content:
            core.app_key_text(found)  # refuses a second, different one in the body
        return outgoing, content, text

    async def _admit(self, text: str, spec: ProviderSpec, path: str) -> None:
        """Raises Denial unless this app key may make this call now."""
        try:
            lookup = vault.lookup_hash(text)
        except SynchronousOnlyOperation:  # the pepper isn't open yet in this process
            lookup = await self._in_directory(lambda: vault.lookup_hash(text))
        except vault.VaultError as error:
            raise denial("sealed") from error
        record = await self._find(self._desk.directory.app_keys, lookup)
        if record is None:
            raise self._stranger("invalid_key")
        self._app_key = record
        self.recording.application = record.application
        self.recording.app_key = record.id
        self.recording.app_key_version = record.version
        now = time.time()
        core.authenticate(record, now)
        core.admit(record, spec, path, self.recording.address)
        if record.limits:
            await self._limit(record, now)

    async def _limit(self, record: AppKeyRecord, now: float) -> None:
        limiter = self._desk.limiter
        args = (record.id, self.recording.id, record.limits, now)
        take = limiter.take
        ruling = await asyncio.to_thread(take, *args) if limiter.blocking else take(*args)
        core.obey(ruling)
        self._holds_permit = record.limits.concurrency is not None

    async def _give_back(self) -> None:
        if not self._holds_permit or self._app_key is None:
            return
        self._holds_permit = False
        limiter = self._desk.limiter
        args = (self._app_key.id, self.recording.id, self._app_key.limits)
        if limiter.blocking:
            await asyncio.shield(asyncio.to_thread(limiter.release, *args))
        else:
            limiter.release(*args)

    async def _route(self, spec: ProviderSpec, outgoing: Outgoing) -> Route:
        application = self.recording.application
        pool = await self._find(self._desk.directory.pools, (application, spec.slug))
        rota, now, preferred = self._desk.rota, time.time(), ""
        if len(pool) > 1:
            jobs = core.jobs_asked(outgoing.path, outgoing.body)
            preferred = rota.maker(application, spec.slug, jobs)
        try:
            route = core.choose(rota, pool, now, preferred)
        except SynchronousOnlyOperation:  # the data key isn't open yet in this process
            route = await self._in_directory(lambda: core.choose(rota, pool, now, preferred))
        self.recording.provider_key = route.key.id
        self.recording.provider_key_version = route.version.number
        return route

    async def _forward(
        self,
        spec: ProviderSpec,
        outgoing: Outgoing,
        route: Route,
        body: Body,
        watch: "asyncio.Task[None]",
    ) -> None:
        try:
            self.recording.begin()
        except spool.SpoolError as error:
            raise denial("unavailable") from error
        self.recording.attempts = 1
        url = spec.base_url + outgoing.path + ("?" + outgoing.query if outgoing.query else "")
        length = self._asked.announced if isinstance(body, AsyncIterator) else None
        pairs = list(outgoing.headers)
        async with ask(outgoing.method, url, pairs, body, length) as response:
            relay = Relay(self, spec, outgoing, route, response, watch)
            await relay.run()

    async def send(self, message: dict[str, object]) -> None:
        await self._send(message)

    async def start(self, status: int, pairs: list[tuple[bytes, bytes]]) -> None:
        """Sends the response line and headers, ours included."""
        self.started = True
        self.recording.status = status
        ours = [*pairs, *headers.FIXED, (b"x-request-id", self.recording.id.encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": ours})

    def end(self, found: Judgement) -> None:
        """Records how the call ended; the last bytes may go out after this."""
        if self.inbound.size:
            self.recording.bytes_in = self.inbound.size
        self.recording.end(found)

    async def _refuse(self, refused: Denial) -> None:
        if self.started:
            # The provider broke off in the middle: without its end the server cuts the line.
            self.end(Judgement(Outcome.NETWORK_ERROR, refused.code, refused.message))
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
        if self._app_key is not None:
            network = refused.code in _NETWORK and self.recording.attempts > 0
            outcome = Outcome.NETWORK_ERROR if network else Outcome.DENIED
            self.end(Judgement(outcome, refused.recorded, refused.message))
        await self.start(refused.status, pairs)
        await self._send({"type": "http.response.body", "body": body})

    async def _drain(self) -> bool:
        if self._asked.value("expect") or (self._asked.announced or 0) > DRAIN_LIMIT:
            return False
        return await self.inbound.drain(DRAIN_LIMIT)

    def _abort(self) -> None:
        if self._app_key is not None:
            self.end(Judgement(Outcome.ABORTED, "", "The caller hung up"))

    def _stranger(self, code: str) -> Denial:
        ingest.count_stranger(self.recording.address, code)
        return denial(code)

    async def _find(self, shelf: Shelf[K, V], name: K) -> V:
        known = self._desk.directory.known(shelf, name)
        if known is not None:
            return known.value
        loading = self._desk.directory.load(shelf, name)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(loading), directory.WAIT)
        except (directory.Unavailable, TimeoutError) as error:
            raise denial("unavailable") from error

    async def _in_directory(self, job: "directory.Job[V]") -> V:
        try:
            return await asyncio.wrap_future(self._desk.directory.run(job))
        except vault.VaultError as error:
            raise denial("sealed") from error
        except DatabaseError as error:
            raise denial("unavailable") from error
