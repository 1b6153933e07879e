"""Who calls, and may they: decided with as little of the body as that takes."""

import time
from functools import partial
from typing import TypeVar
from urllib.parse import unquote

from django.core.exceptions import SynchronousOnlyOperation

from keys import vault
from keys.providers.base import ProviderSpec
from keys.providers.injection import Outgoing
from keys.tokens import app_key_id, app_keys_in
from usage import ingest
from usage.gateway import core, counting, desk, errors, lookup, named_methods
from usage.gateway.aside import LARGE, aside
from usage.gateway.asked import Asked
from usage.gateway.directory import Shelf
from usage.gateway.errors import Denial, denial
from usage.gateway.inbound import Inbound
from usage.gateway.permits import Permits
from usage.gateway.recording import Recording
from usage.gateway.records import AppKeyRecord
from usage.gateway.terms import terms
from usage.gateway.transport import Body
from usage.limits import FREE, UNCOUNTED
from usage.redaction import Masker, clip

# Bytes of a body that is parsed although nobody may have sent it. Parsing a larger one can take
# seconds, in which no other call goes on: its key must stand in it as it is.
PARSED = 64 * 1024
_UNASKED = frozenset({"unknown_provider", "bad_request"})  # may be said before a key is looked at

V = TypeVar("V")


class Admission:
    """One call's way in."""

    def __init__(
        self, asked: Asked, inbound: Inbound, recording: Recording, permits: Permits
    ) -> None:
        self._asked = asked
        self._inbound = inbound
        self._recording = recording
        self._desk = desk.mine()
        self._directory = self._desk.directory
        self._permits = permits
        self.ruling = FREE  # of the limits
        self.app_key: AppKeyRecord | None = None
        self._inside = ""  # the app key that was found in a long body before its end
        self._spent = False  # whether a long body without one has been the network's expense

    async def provider(self, slug: str) -> ProviderSpec:
        """Raises Denial for a provider that nobody knows."""
        directory = self._directory
        known = directory.specs.holds(slug)
        spec = await self._find(directory.specs, slug, known=known)
        if spec is None:
            raise denial("unknown_provider")
        if not known:
            self._desk.throttle.give_back(self._asked.address)
        return spec

    async def enter(self, spec: ProviderSpec, outgoing: Outgoing) -> tuple[Outgoing, Body, str]:
        """The request with its body, the body to send, and the app key's text. Raises Denial."""
        entered = await self._entered(spec, outgoing)
        if self.app_key is not None and self.app_key.methods is not None:
            asked, _, text = entered
            await aside(len(asked.body), named_methods.admit, self.app_key, asked, text)
        return entered

    async def _entered(self, spec: ProviderSpec, outgoing: Outgoing) -> tuple[Outgoing, Body, str]:
        found, text = self._asked.head.credentials(spec)
        if text:
            await self._admit(text, spec, outgoing.path)
        announced = self._asked.announced or 0
        limits = terms()
        limit = limits.body_limits.get(spec.slug, limits.body_limit)
        if not self._asked.must_be_read(limit, key_known=bool(text)):
            if not text:
                raise self._stranger("invalid_key" if found else "key_required")
            if announced > limits.upload_limit:
                raise denial("body_too_large")
            # Nobody looks for a key in what is streamed past, so a copy there is masked unseen.
            parts = self._inbound.stream(limits.upload_limit, announced)
            return outgoing._replace(body=named_methods.STREAMED), Masker((text,)).over(parts), text
        if not self._asked.has_body and text:
            self._inbound.read = True
            return outgoing, b"", text
        content = self._inbound.there(limit)
        if content is None:
            look = partial(self._look, spec, outgoing.path)
            content = await self._inbound.body(limit, announced, look)
        self._recording.bytes_in = len(content)
        outgoing = Outgoing(*outgoing[:4], content, outgoing.content_type)
        outside = text
        if not text:
            text = await self._key_unparsed(content, spec, outgoing.path)
        if content and len(content) <= LARGE:
            outgoing = core.read(outgoing)
            found += core.found_inside(outgoing, spec)
        elif content:
            outgoing = await aside(len(content), core.read, outgoing)
            found += await aside(len(content), core.found_inside, outgoing, spec)
        named = core.app_key_text(found, outside)  # refuses a second, different one
        if not named:
            raise self._stranger("invalid_key" if found else "key_required")
        if not text:
            await self._admit(named, spec, outgoing.path)
        elif named != text:
            raise denial("bad_request", "Two different app keys")
        return outgoing, content, named

    async def _look(self, spec: ProviderSpec, path: str, piece: bytes) -> None:
        """Looks for the app key in a piece of a long body.

        Who is known by then needs none of the strangers' room, and of who is refused the rest
        isn't kept. Whether the key stands in its place shows at the end.
        """
        texts = app_keys_in(piece)
        if len(texts) == 1:
            self._inside = texts.pop()
            await self._admit(self._inside, spec, path)
        elif not self._spent:
            self._throttle(formed=True)
            self._spent = True

    async def _key_unparsed(self, content: bytes, spec: ProviderSpec, path: str) -> str:
        """The app key of a body whose sender is looked up before the body is parsed, or empty."""
        texts = app_keys_in(content)
        if self._inside:
            texts.add(self._inside)
        if len(texts) == 1:
            text = texts.pop()
            if not self._inside:
                await self._admit(text, spec, path)
            return text
        if len(content) > PARSED:
            if texts:
                raise denial("bad_request", "Two different app keys")
            # Whether there is another credential in it can only be guessed by the field's name.
            raise self._stranger("invalid_key" if b"key" in content else "key_required")
        return ""

    async def refusal(self, refused: Denial) -> Denial:
        """What a refused caller is told. Finds out also whose call it is: every call of a known
        key counts. A key that is none any more is throttled as any stranger."""
        if refused.code in _UNASKED and self.app_key is None:
            return await self._identify(refused)
        return refused

    async def _identify(self, refused: Denial) -> Denial:
        """Whose call it is that was refused before its key was looked at, if that can be told.

        The body isn't read for it, nor the key's policy asked.
        """
        head = self._asked.head
        said = [unquote(head.query), *(value for _, value in head.headers)]
        texts = app_keys_in("\n".join(said).encode())
        if len(texts) == 1:
            try:
                await self._authenticate(texts.pop(), time.time())
            except Denial as other:  # it is refused already, unless it is one of too many
                if other.code == "rate_limited":
                    return other
        return refused

    def _describe(self, spec: ProviderSpec, *secrets: str) -> None:
        """Says in the record what was asked by what, without the keys that callers put there."""
        recording = self._recording
        recording.endpoint, recording.user_agent = self._asked.head.described(spec, *secrets)

    def hide(self, spec: ProviderSpec, text: str, secret: str) -> None:
        """Takes the real key out of the record, should the caller have sent that as well."""
        if self._asked.head.holds(secret):
            self._describe(spec, text, secret)

    async def _admit(self, text: str, spec: ProviderSpec, path: str) -> None:
        """Raises Denial unless this app key may make this call now."""
        now = time.time()
        record = await self._authenticate(text, now)
        if self._spent:
            self._desk.throttle.give_back(self._asked.address)
        self._describe(spec, text)
        core.admit(record, spec, self._asked.method, path, self._recording.address)
        self._inbound.vouch(record.id)
        if record.limits:
            await self._limit(record, now)

    async def _authenticate(self, text: str, now: float) -> AppKeyRecord:
        """Whose call it is. Raises Denial unless this app key is in force."""
        record = await self._record(text)
        try:
            core.authenticate(record, now)
        except Denial as refused:
            if refused.code == "invalid_key":
                # Reads like an unknown one to the caller, also when there are many; those are
                # counted with the strangers', or who has a revoked key could fill the disk.
                self._throttle(formed=True)
            self._belongs_to(record)
            # Not its endpoint: whoever has a revoked key could name any number of them.
            self._recording.user_agent = clip(self._asked.value("user-agent"), (text,))
            raise
        self._belongs_to(record)
        return record

    def _belongs_to(self, record: AppKeyRecord) -> None:
        self.app_key = record
        self._recording.application = record.application
        self._recording.app_key = record.id
        self._recording.app_key_version = record.version

    async def _record(self, text: str) -> AppKeyRecord:
        directory = self._directory
        try:
            name = self._asked.head.lookup(text)
        except SynchronousOnlyOperation:  # the pepper isn't open yet in this process
            name = await lookup.run(directory, lambda: vault.lookup_hash(text))
        except vault.VaultError as error:
            raise denial("sealed") from error
        entry = directory.known(directory.app_keys, name)
        if entry is not None and entry.value is not None and app_key_id(text) == entry.value.id:
            return entry.value
        known = directory.app_keys.holds(name)
        record = await self._find(directory.app_keys, name, known=known)
        # A key names itself: one whose hash was written into another key's row opens nothing.
        if record is None or app_key_id(text) != record.id:
            ingest.count_stranger(self._asked.address, "invalid_key")
            raise denial("invalid_key")
        if not known:
            self._desk.throttle.give_back(self._asked.address)
        return record

    async def _find(self, shelf: Shelf[str, V], name: str, *, known: bool) -> V:
        """The entry; what isn't known is looked up at the network's expense, if that tells."""
        if not known:
            self._throttle(formed=True)
        try:
            return await lookup.find(self._directory, shelf, name)
        except Denial:  # nobody could say whose it is: that makes nobody a stranger
            if not known:
                self._desk.throttle.give_back(self._asked.address)
            raise

    async def _limit(self, record: AppKeyRecord, now: float) -> None:
        asked = (record.id, record.limits, now)
        self.ruling = await self._permits.taken(*asked)
        if self.ruling is UNCOUNTED:
            await counting.recount(self._desk, *asked)
            self.ruling = await self._permits.taken(*asked)
        core.obey(self.ruling)

    def _stranger(self, code: str) -> Denial:
        """The denial of a call without a key in its place, which may hold a known one elsewhere."""
        if self.app_key is None:
            if not self._spent:
                self._throttle(formed=False)
            ingest.count_stranger(self._asked.address, code)
        return denial(code)

    def _throttle(self, *, formed: bool) -> None:
        wait = self._desk.throttle.take(self._asked.address, time.monotonic(), formed=formed)
        if wait and formed and not self._directory.fresh:
            raise denial("unavailable")  # too many to look up, and nobody could say whose they are
        if wait:
            ingest.count_stranger(self._asked.address, "rate_limited")
            raise errors.throttled(wait)
