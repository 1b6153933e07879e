"""The body of a wrapper's response: masks the secret, and says when it ended and how."""

from collections.abc import Callable, Iterator
from typing import Any

from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.response import BaseHTTPResponse

from usage.gateway.answer import Sample
from usage.redaction import Masker


class RecordedBody:
    """Stands in for `Response.raw`. Calls `ended` once.

    `ended(sample, whole, error)`: `whole` when the body was read to its end; `error` when
    reading it failed; neither when it was closed before.
    """

    def __init__(
        self,
        raw: BaseHTTPResponse,
        secret: str,
        ended: Callable[[Sample, bool, Exception | None], None],
    ) -> None:
        self._raw = raw
        self._masker = Masker((secret,))
        self._ended: Callable[[Sample, bool, Exception | None], None] | None = ended
        media = raw.headers.get("content-type", "").partition(";")[0].strip().lower()
        self._sample = Sample(tail=media.endswith("json"), stream=media == "text/event-stream")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def __iter__(self) -> Iterator[bytes]:
        return self.stream()

    def stream(
        self, amt: int | None = 2**16, decode_content: bool | None = None
    ) -> Iterator[bytes]:
        masker = self._masker
        try:
            for chunk in self._raw.stream(amt, decode_content):
                self._sample.add(chunk)
                passed = masker.feed(chunk)
                if passed:
                    yield passed
        except (HTTPError, OSError) as error:
            self._end(False, error)
            raise
        except ValueError:  # of http.client, for a chunk of a negative size
            broken = ProtocolError("Connection broken")
            self._end(False, broken)
            raise broken from None
        rest = masker.flush()
        if rest:
            yield rest
        self._end(True, None)

    def read(self, amt: int | None = None, *args: Any, **options: Any) -> bytes:
        """As of a file; a piece may be shorter, where a part of the secret may end it."""
        passed = b""
        while not passed:
            try:
                data = self._raw.read(amt, *args, **options)
            except (HTTPError, OSError) as error:
                self._end(False, error)
                raise
            self._sample.add(data)
            passed = self._masker.feed(data)
            if amt == 0:
                break
            if amt is None or amt < 0 or not data:
                passed += self._masker.flush()
                self._end(True, None)
                break
        return passed

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
