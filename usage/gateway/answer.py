"""The provider's answer on its way to the caller: unpacked, masked, a sample kept to judge by."""

import zlib
from collections.abc import Iterable

from usage.redaction import Masker

HEAD = 64 * 1024  # bytes kept of every answer
TAIL = 16 * 1024  # bytes kept of the end, where token counts stand, of a stream or of JSON
STEP = 256 * 1024  # bytes unpacked at a time
_ANY = zlib.MAX_WBITS | 32  # gzip or zlib, as its head says
MOST_MEMBERS = 1000  # of one answer; each costs time whatever is in it
_MEMBER = b"\x1f"  # how each of several gzip members begins that come one behind the other


class BadEncoding(Exception):
    """The provider packed its answer in a way that can't be read."""


class Sample:
    """The beginning of a body, and with `tail` also the end."""

    def __init__(self, *, tail: bool, stream: bool = False) -> None:
        self._head: list[bytes] = []
        self._kept = 0
        self._is_stream = stream
        self._wants_tail = tail or stream
        self._tail = b""
        self.size = 0

    def add(self, part: bytes) -> None:
        self.size += len(part)
        room = HEAD - self._kept
        if room > 0:
            self._head.append(part[:room])
            self._kept += min(len(part), room)
            part = part[room:]
        if part and self._wants_tail:
            self._tail = part[-TAIL:] if len(part) >= TAIL else (self._tail + part)[-TAIL:]

    @property
    def complete(self) -> bool:
        return self.size == self._kept + len(self._tail)

    @property
    def finished(self) -> bool:
        """Whether a stream said itself that it is at its end; callers often hang up then."""
        if not self._is_stream:
            return False
        end = self._tail[-200:] or b"".join(self._head)[-200:]
        return b"data: [DONE]" in end or b"message_stop" in end

    @property
    def body(self) -> bytes:
        head = b"".join(self._head)
        gap = b"\n\n" if self._tail and not self.complete else b""
        return head + gap + self._tail


class Unpacker:
    """Undoes gzip and deflate, which were not asked for, piece by piece in bounded memory."""

    def __init__(self, encodings: str) -> None:
        """`encodings` is the list of all Content-Encoding headers. Raises BadEncoding."""
        named = {token.strip().lower() for token in encodings.split(",")} - {"", "identity"}
        self._packed = bool(named)
        if "," in encodings or not named <= {"gzip", "x-gzip", "deflate"}:
            raise BadEncoding
        self._zlib = zlib.decompressobj(wbits=_ANY) if self._packed else None
        self._begun = False
        self._members = 1

    @property
    def packed(self) -> bool:
        return self._packed

    def feed(self, part: bytes) -> Iterable[bytes]:
        """Raises BadEncoding for what isn't packed as announced."""
        if self._zlib is None:
            yield part
            return
        self._begun = True
        while part:
            if self._zlib.eof:
                if not part.startswith(_MEMBER):
                    return  # padding
                self._members += 1
                if self._members > MOST_MEMBERS:
                    raise BadEncoding
                self._zlib = zlib.decompressobj(wbits=_ANY)
            try:
                plain = self._zlib.decompress(part, STEP)
            except zlib.error as error:
                raise BadEncoding from error
            if plain:
                yield plain
            part = self._zlib.unconsumed_tail or self._zlib.unused_data

    def flush(self) -> bytes:
        """What is left at the end. Raises BadEncoding when the end is missing."""
        if self._zlib is None:
            return b""
        rest = self._zlib.flush()
        if not self._zlib.eof and self._begun:
            raise BadEncoding
        return rest


class Masking:
    """Masks the secrets and samples what passes."""

    def __init__(self, secrets: Iterable[str], *, stream: bool, tail: bool = False) -> None:
        self._masker = Masker(secrets)
        self.sample = Sample(tail=tail, stream=stream)

    def feed(self, part: bytes) -> bytes:
        self.sample.add(part)
        return self._masker.feed(part)

    def flush(self) -> bytes:
        return self._masker.flush()
