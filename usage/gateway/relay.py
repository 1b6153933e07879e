"""Carries the provider's answer to the caller as it comes, masked, and judges it at its end.

The record is written before the last bytes leave, so a caller who has the whole answer can
count on its being in the ledger.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from keys.outbound.answer import Answer
from keys.providers.base import ProviderSpec
from keys.providers.injection import Outgoing
from keys.providers.jobs import Job
from usage.events import Outcome
from usage.gateway import core, desk, errors, headers, jobs, lookup
from usage.gateway.answer import BadEncoding, Masking, Unpacker
from usage.gateway.choosing import GOES_ON, REFUSALS
from usage.gateway.core import Judgement, Route
from usage.gateway.errors import Denial
from usage.gateway.links import links_of
from usage.gateway.transport import faults
from usage.redaction import mask_escaped

if TYPE_CHECKING:
    from usage.gateway.exchange import Exchange

WHOLE = 256 * 1024  # bytes of a JSON answer kept whole, so that its links can be turned


class Relay:
    """One answer on its way."""

    def __init__(
        self,
        exchange: "Exchange",
        spec: ProviderSpec,
        asked: Outgoing,
        route: Route,
        response: Answer,
    ) -> None:
        self._exchange = exchange
        self._spec = spec
        self._asked = asked
        self._route = route
        self._response = response
        self._job: Job | None = None  # to be told to other processes
        self._secrets = exchange.secrets
        self._links = links_of(spec.slug, spec.base_url)
        self._type = response.header(b"content-type")
        media = self._type.partition(";")[0].strip().lower()
        self._is_json = media.endswith(("/json", "+json"))
        stream = media == "text/event-stream"
        self._masking = Masking(self._secrets, stream=stream, tail=self._is_json)

    async def run(self) -> bool:
        """Relays to the end, unless the call goes on with another key: whether it was relayed.

        Raises Denial when the provider breaks off.
        """
        self._exchange.recording.first_byte_ms = self._exchange.recording.elapsed_ms
        if not 200 <= self._response.status < 600:
            raise errors.no_answer()
        try:
            codings = self._response.values(b"transfer-encoding")
            if codings and ",".join(codings).strip().lower() != "chunked":
                raise BadEncoding  # which the client lets pass, packed as it is
            self._unpacker = Unpacker(",".join(self._response.values(b"content-encoding")))
            length = None if self._unpacker.packed else self._length()
            refusal = self._response.status in REFUSALS
            bodiless = self._response.status in (204, 304)
            if bodiless or self._asked.method == "HEAD":
                if refusal and await self._exchange.goes_on(self._judge(), self._response.status):
                    return False
                # Beside 304 the length is another answer's, and our server would wait for it.
                await self._start(None if bodiless else self._length())
                await self._finish(b"")
            elif (self._is_json or refusal) and (length is None or length <= WHOLE):
                return await self._whole()
            else:
                await self._stream(self._parts(), length, b"")
        except BadEncoding as error:
            raise errors.unreadable() from error
        return True

    async def _whole(self) -> bool:
        """A small answer of JSON, or a refusal, in one piece; a large or open one goes on."""
        there = None if self._unpacker.packed else self._response.whole()
        if there is not None and len(there) <= WHOLE:
            return await self._complete(self._masking.feed(there))
        parts = self._parts(there)
        kept: list[bytes] = []
        size = 0
        async for part in parts:
            kept.append(part)
            size += len(part)
            # A top-level array without a length is how some APIs stream JSON.
            open_ended = self._response.status not in REFUSALS and self._length() is None
            if size > WHOLE or (open_ended and kept[0].lstrip()[:1] == b"["):
                await self._stream(parts, None, b"".join(kept))
                return True
        return await self._complete(b"".join(kept))

    async def _complete(self, masked: bytes) -> bool:
        """Sends what is all of an answer, unless the call goes on with another key."""
        plain = mask_escaped(masked + self._masking.flush(), self._secrets)
        body = self._links.in_json(plain) if self._is_json else plain
        # Judged and recorded first: the start alone may end an empty answer.
        found = self._judge()
        exchange, status = self._exchange, self._response.status
        if found.outcome in GOES_ON and await exchange.goes_on(found, status):
            return False
        exchange.recording.bytes_out = len(body)
        exchange.recording.status = status
        if self._job is not None:
            await self._share(self._job)
        exchange.inbound.unwatch()
        await exchange.over(found)
        await exchange.reply.whole(status, self._headers(len(body)), body)
        return True

    async def _stream(self, parts: AsyncIterator[bytes], length: int | None, before: bytes) -> None:
        """Passes parts on as they come; the one that completes a known length waits."""
        await self._start(length)
        sent, held = 0, b""
        if before:
            sent = len(before)
            await self._more(before)
        async for part in parts:
            sent += len(part)
            if length is not None and sent >= length:
                held += part
            elif part:
                await self._more(part)
        await self._finish(held + self._masking.flush())

    async def _parts(self, there: bytes | None = None) -> AsyncIterator[bytes]:
        """The body, unpacked and masked, behind what is there. Raises Denial and BadEncoding."""
        while True:
            with faults():
                chunk = there or await self._response.part()
            if chunk is None:
                break
            there = None
            for plain in self._unpacker.feed(chunk):
                yield self._masking.feed(plain)
        rest = self._unpacker.flush()
        if rest:
            yield self._masking.feed(rest)

    async def _start(self, length: int | None) -> None:
        self._exchange.recording.status = self._response.status
        await self._exchange.reply.start(self._response.status, self._headers(length))

    def _headers(self, length: int | None) -> list[tuple[bytes, bytes]]:
        pairs = headers.to_caller(
            self._response.headers, self._spec.slug, self._secrets, self._links.in_header
        )
        if length is not None:
            pairs.append((b"content-length", b"%d" % length))
        # The provider's own word about its limits stands, as a client of it reads that; beside
        # its 429 ours would say that more calls fit.
        ruling = self._exchange.ruling
        ours = ruling.limit and self._response.status != 429
        if ours and not any(name.startswith(b"ratelimit") for name, _ in pairs):
            pairs += headers.encode(errors.rate_headers(ruling))
        return pairs

    async def _more(self, part: bytes) -> None:
        self._exchange.recording.bytes_out += len(part)
        await self._exchange.reply.more(part)

    async def _finish(self, last: bytes) -> None:
        found = self._judge()
        self._exchange.recording.bytes_out += len(last)
        if self._job is not None:
            await self._share(self._job)
        self._exchange.inbound.unwatch()
        await self._exchange.over(found)
        await self._exchange.reply.end(last)

    def hung_up(self) -> Judgement:
        """What the call came to when the caller hung up during the answer."""
        return self._judge(whole=False)

    def _judge(self, *, whole: bool = True) -> Judgement:
        sample = self._masking.sample
        body = sample.body
        found = core.ended(
            self._spec,
            self._response.status,
            self._type,
            sample,
            self._asked,
            self._secrets,
            whole=whole,
        )
        rota, now = desk.mine().rota, time.time()
        if found.outcome is Outcome.OK and self._is_json:
            self._learn(self._spec.job_of(body))
        elif found.outcome is not Outcome.OK:
            told = headers.retry_after(self._response.headers, now)
            after = told or self._spec.retry_after_of(body)
            core.learn(rota, self._route, found, after, now)
        return found

    def _learn(self, job: Job | None) -> None:
        application = self._exchange.recording.application
        rota = desk.mine().rota
        if jobs.learn(rota, application, self._spec.slug, self._route, job):
            self._job = job

    async def _share(self, job: Job) -> None:
        """Before the caller can ask another process for the job."""
        told = (self._exchange.recording.application, self._spec.slug, job.id, self._route.key.id)
        with contextlib.suppress(Denial):
            await lookup.run(desk.mine().directory, lambda: jobs.share(*told))

    def _length(self) -> int | None:
        length = self._response.header(b"content-length")
        return int(length) if length.isdigit() else None
