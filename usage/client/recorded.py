"""The body of a wrapper's response: masks the secret, and says when it ended and how."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.response import BaseHTTPResponse

from usage.gateway.answer import Sample
from usage.redaction import Masker

# What of urllib3's response says nothing of the body. Anything else would pass the masks by.
_PASSED_ON = frozenset(
    [
        "status",
        "reason",
        "version",
        "version_string",
        "headers",
        "msg",
        "connection",
        "retries",
        "geturl",
        "getheaders",
        "getheader",
        "info",
        "url",
        "chunked",
        "length_remaining",
        "supports_chunked_reads",
        "isclosed",
        "tell",
        "decode_content",
        "enforce_content_length",
        "has_redirect_location",
        "get_redirect_location",
        "_original_response",
        "_fp",
        "_connection",
        "_pool",
        "_request_url",
        "auto_close",
        "shutdown",
    ]
)


class RecordedBody(io.RawIOBase):
    """Stands in for `Response.raw`. Calls `ended` once.

    `ended(sample, whole, error)`: `whole` when the body was read to its end; `error` when
    reading it failed; neither when it was closed before.
    """

    def __init__(
        self,
        raw: BaseHTTPResponse,
        secrets: tuple[str, ...],
        ended: Callable[[Sample, bool, Exception | None], None],
    ) -> None:
        self._raw = raw
        self._masker = Masker(secrets)
        self._ready = b""  # masked, not given yet
        self._ended: Callable[[Sample, bool, Exception | None], None] | None = ended
        media = raw.headers.get("content-type", "").partition(";")[0].strip().lower()
        self._sample = Sample(tail=media.endswith("json"), stream=media == "text/event-stream")

    def __getattr__(self, name: str) -> Any:
        if name in _PASSED_ON:
            return getattr(self._raw, name)
        raise AttributeError(name)

    def __iter__(self) -> Iterator[bytes]:
        return self.stream()

    def stream(
        self, amt: int | None = 2**16, decode_content: bool | None = None
    ) -> Iterator[bytes]:
        masker = self._masker
        with self._faults():
            for chunk in self._raw.stream(amt, decode_content):
                self._sample.add(chunk)
                if passed := masker.feed(chunk):
                    yield passed
        if rest := masker.flush():
            yield rest
        self._end(True, None)

    def read(self, amt: int | None = None, *args: Any, **options: Any) -> bytes:
        """As of a file."""
        whole = amt is None or amt < 0
        while self._ended is not None and (whole or not self._ready) and amt != 0:
            with self._faults():
                data = self._raw.read(amt, *args, **options)
            self._sample.add(data)
            self._ready += self._masker.feed(data)
            if whole or not data:
                self._ready += self._masker.flush()
                self._end(True, None)
        size = len(self._ready) if whole else amt
        part, self._ready = self._ready[:size], self._ready[size:]
        return part

    read1 = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As of a file; its other ways of reading are built on this one."""
        part = self.read(len(buffer), decode_content=True)
        buffer[: len(part)] = part
        return len(part)

    @property
    def data(self) -> bytes:
        """What is left of the body, unpacked."""
        return self.read(decode_content=True)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (HTTPError, OSError) as error:
            self._end(False, error)
            raise
        except ValueError:  # of http.client, for a chunk of a negative size
            broken = ProtocolError("Connection broken")
            self._end(False, broken)
            raise broken from None

    def close(self) -> None:
        self._raw.close()
        self._end(False, None)

    def release_conn(self) -> None:
        self._raw.release_conn()
        self._end(False, None)

    def __del__(self) -> None:
        self._end(False, None)

    def _end(self, whole: bool, error: Exception | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self._sample, whole, error)
