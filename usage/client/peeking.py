"""The beginning of a wrapper's answer, read before its caller has it, and put back."""

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse, HTTPResponse

from usage.gateway.answer import BadEncoding, Sample, Unpacker

MOST = 256 * 1024  # bytes; what is longer is no refusal


def peek(raw: BaseHTTPResponse, *, whole: bool) -> tuple[Sample | None, BaseHTTPResponse]:
    """The answer, unpacked, if it is short and (unless `whole` is wanted) no open stream; and the
    answer anew."""
    begun, ended, error = _begin(raw, whole=whole)
    anew = HTTPResponse(
        body=_Replay(raw, begun, error),  # type: ignore[arg-type]
        headers=raw.headers,
        status=raw.status,
        version=raw.version,
        reason=raw.reason,
        preload_content=False,
        decode_content=False,
    )
    return _sampled(raw, begun) if ended else None, anew


def _begin(raw: BaseHTTPResponse, *, whole: bool) -> tuple[bytes, bool, Exception | None]:
    parts: list[bytes] = []
    size = 0
    try:
        while part := raw.read1(MOST, decode_content=False):
            parts.append(part)
            size += len(part)
            # A top-level array is how some APIs stream JSON.
            if size > MOST or (not whole and parts[0].lstrip()[:1] == b"["):
                return b"".join(parts), False, None
    except (HTTPError, OSError) as error:
        return b"".join(parts), False, error
    return b"".join(parts), True, None


def _sampled(raw: BaseHTTPResponse, body: bytes) -> Sample | None:
    sample = Sample(tail=False)
    try:
        unpacker = Unpacker(raw.headers.get("content-encoding", ""))
        for part in unpacker.feed(body):
            sample.add(part)
        sample.add(unpacker.flush())
    except BadEncoding:
        return None
    return sample


class _Replay:
    """Gives what was read already, then the rest, or what reading met."""

    def __init__(self, raw: BaseHTTPResponse, begun: bytes, error: Exception | None) -> None:
        self._raw = raw
        self._begun = begun
        self._error = error
        self.closed = False

    def read(self, amount: int | None = None) -> bytes:
        whole = amount is None or amount < 0
        if self._begun and not whole:
            part, self._begun = self._begun[:amount], self._begun[amount:]
            return part
        part, self._begun = self._begun, b""
        if self._error is not None:
            raise self._error
        return part + self._raw.read(None if whole else amount, decode_content=False)

    def close(self) -> None:
        self.closed = True
        self._raw.close()
        self._raw.release_conn()
