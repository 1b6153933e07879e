"""What a request says of itself, before its body is read."""

from collections.abc import Iterable
from urllib.parse import quote

from keys.addresses import client_address
from keys.models import METHODS
from usage.gateway.errors import denial
from usage.gateway.inbound import Scope
from usage.gateway.terms import terms

# JSON may come under these; an app key in it must be found all the same.
_MAYBE_JSON = frozenset({"", "text/plain"})
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
# Of two that differ, the provider may believe the other one.
_SINGLE = ("content-type", "content-encoding", "host")


class Asked:
    """Method, path, query and headers of an ASGI scope as text."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        raw = scope.get("raw_path")
        self.raw_path: str = raw.decode("latin-1") if raw else quote(scope["path"])
        self.query: str = scope["query_string"].decode("latin-1")
        self.headers = _decoded(scope["headers"])
        self._values: dict[str, str] = dict(self.headers)
        client = scope.get("client")
        forwarded = ""
        if "x-forwarded-for" in self._values:
            forwarded = ",".join(v for name, v in self.headers if name == "x-forwarded-for")
        peer = client[0] if client else ""
        self.address = client_address(peer, forwarded, terms().trusted_proxies)

    def check(self) -> None:
        """Raises Denial (bad_request) for what the gateway serves to nobody."""
        if self.method not in METHODS:
            raise denial("bad_request", f"The gateway takes {', '.join(METHODS)}")
        if len(self._values) < len(self.headers):
            names = [name for name, _ in self.headers]
            for name in _SINGLE:
                if names.count(name) > 1:
                    raise denial("bad_request", f"More than one {name} header")
        # Code of the admin pages may fetch. But what a page of that origin loads as a script, a
        # worker, a frame would be run as its own, and an answer is only a provider's word.
        if "sec-fetch-dest" not in self._values:
            return
        loads = self.value("sec-fetch-dest").strip().lower() not in ("", "empty")
        if loads and self.value("sec-fetch-site").strip().lower() == "same-origin":
            raise denial("bad_request", "A page can't load answers of the gateway")

    def value(self, name: str) -> str:
        """A header's value, or empty."""
        return self._values.get(name, "")

    @property
    def announced(self) -> int | None:
        """The body's length, when it is given."""
        length = self.value("content-length").strip()
        return int(length) if length.isdigit() else None

    @property
    def has_body(self) -> bool:
        return "transfer-encoding" in self._values or bool(self.announced)

    def must_be_read(self, limit: int, *, key_known: bool) -> bool:
        """Whether the body may hold a key, or is nothing to stream."""
        media = self.value("content-type").partition(";")[0].strip().lower()
        if not self.has_body or media in _FORMS or media.endswith(("/json", "+json")):
            return True
        if media not in _MAYBE_JSON:
            return False
        # Of a length that nobody tells it is no JSON to wait for, once the key is known.
        return not key_known or (self.announced is not None and self.announced <= limit)


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    try:
        return [(name.decode("latin-1"), value.decode()) for name, value in headers]
    except UnicodeDecodeError:
        return [(name.decode("latin-1"), _text(value)) for name, value in headers]


def _text(value: bytes) -> str:
    """A header's value; the client that sends it on writes UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
