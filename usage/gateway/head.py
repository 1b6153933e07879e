"""What stands in a request's head, read once for all that repeat it on their connection.

A client that keeps its connection sends the same head call after call, but for the length of the
body. What can be read out of it without asking anybody stays true for the next one.
"""

from collections.abc import Iterable
from urllib.parse import quote, unquote

from keys import vault
from keys.addresses import client_address
from keys.models import METHODS
from keys.providers.base import ProviderSpec
from keys.providers.injection import Found, Outgoing, Stripped
from usage.gateway import core, headers, paths
from usage.gateway.direct import Direct, Pair
from usage.gateway.errors import denial
from usage.gateway.inbound import Scope
from usage.gateway.terms import terms
from usage.redaction import clip, mask

KEPT = 8 * 1024  # bytes of a head that is kept for the next request of its connection
# Of two that differ, the provider may believe the other one.
_SINGLE = ("content-type", "content-encoding", "host")


class Head:
    """Method, path, query and headers of an ASGI scope as text; `headers` lack Content-Length."""

    _is_checked = False
    _request: tuple[str, Outgoing] | None = None
    # Of the provider that was asked for last: specs are replaced when they change.
    _spec: ProviderSpec | None = None
    _found: tuple[Found, ...] = ()
    _key = ""
    # Of the app key that was asked for last, be it one in a body: the next body holds the same.
    _looked_up = ("", "")
    _described: tuple[ProviderSpec, str, tuple[str, str]] | None = None
    _stripped: tuple[ProviderSpec, str, Stripped] | None = None

    def __init__(self, scope: Scope, pairs: list[Pair]) -> None:
        self.method: str = scope["method"]
        raw = scope.get("raw_path")
        self.raw_path: str = raw.decode("latin-1") if raw else quote(scope["path"])
        self.query: str = scope["query_string"].decode("latin-1")
        self.headers = _decoded(pairs)
        self._values: dict[str, str] = dict(self.headers)
        self.media = self.value("content-type").partition(";")[0].strip().lower()
        client = scope.get("client")
        forwarded = ""
        if "x-forwarded-for" in self._values:
            forwarded = ",".join(v for name, v in self.headers if name == "x-forwarded-for")
        peer = client[0] if client else ""
        self.address = client_address(peer, forwarded, terms().trusted_proxies)

    def value(self, name: str) -> str:
        """A header's value, or empty."""
        return self._values.get(name, "")

    def check(self) -> None:
        """Raises Denial (bad_request) for what the gateway serves to nobody."""
        if self._is_checked:
            return
        if self.method not in METHODS:
            raise denial("bad_request", f"The gateway takes {', '.join(METHODS)}")
        if len(self._values) < len(self.headers):
            names = [name for name, _ in self.headers]
            for name in _SINGLE:
                if names.count(name) > 1:
                    raise denial("bad_request", f"More than one {name} header")
        # Code of the admin pages may fetch. But what a page of that origin loads as a script, a
        # worker, a frame would be run as its own, and an answer is only a provider's word.
        loads = self.value("sec-fetch-dest").strip().lower() not in ("", "empty")
        if loads and self.value("sec-fetch-site").strip().lower() == "same-origin":
            raise denial("bad_request", "A page can't load answers of the gateway")
        self._is_checked = True

    def request(self) -> tuple[str, Outgoing]:
        """The provider's slug, and the request to it without its body. Raises Denial."""
        if self._request is None:
            slug, path = paths.split(self.raw_path)
            sent = tuple(headers.to_provider(self.headers))
            kind = self.value("content-type")
            self._request = slug, Outgoing(self.method, path, self.query, sent, b"", kind)
        return self._request

    def credentials(self, spec: ProviderSpec) -> tuple[list[Found], str]:
        """Those that stand in it, and the text of the app key among them. Raises Denial."""
        if self._spec is not spec:
            found = core.found_outside(self.request()[1], spec)
            self._key = core.app_key_text(found)
            self._spec, self._found = spec, tuple(found)
        return list(self._found), self._key

    def lookup(self, text: str) -> str:
        """The hash that this app key is found by. Raises what `vault.lookup_hash` raises."""
        if self._looked_up[0] != text:
            self._looked_up = text, vault.lookup_hash(text)
        return self._looked_up[1]

    def described(self, spec: ProviderSpec, text: str, *secrets: str) -> tuple[str, str]:
        """Endpoint and user agent for the record, without the keys that callers put there."""
        if secrets:
            return self._describe(spec, text, *secrets)
        kept = self._described
        if kept is None or kept[0] is not spec or kept[1] != text:
            self._described = kept = spec, text, self._describe(spec, text)
        return kept[2]

    def stripped(self, spec: ProviderSpec, text: str) -> Stripped:
        """The head as the provider gets it, but for the provider key. Raises Denial."""
        kept = self._stripped
        if kept is None or kept[0] is not spec or kept[1] != text:
            self._stripped = kept = spec, text, core.stripped(spec, self.request()[1], text)
        return kept[2]

    def holds(self, secret: str) -> bool:
        """Whether path or user agent hold it."""
        agent, path = self.value("user-agent"), self.request()[1].path
        return secret in _plain(path) or mask(agent, (secret,)) != agent

    def _describe(self, spec: ProviderSpec, *secrets: str) -> tuple[str, str]:
        path = self.request()[1].path
        plain = _plain(path)
        if any(secret in plain for secret in secrets):
            path = mask(plain, secrets)
        return clip(spec.endpoint_of(path)), clip(self.value("user-agent"), secrets)


def head_of(scope: Scope, pairs: list[Pair], direct: Direct | None) -> Head:
    """The head of a request; the one before on its connection, where that reads the same."""
    if direct is None:
        return Head(scope, pairs)
    told = (scope["method"], scope["raw_path"], scope["query_string"], pairs, terms())
    known = direct.connection
    if known.get("told") == told:
        head: Head = known["head"]
        return head
    known.clear()
    head = Head(scope, pairs)
    if len(told[1]) + len(told[2]) + sum(len(name) + len(value) for name, value in pairs) <= KEPT:
        known.update(told=told, head=head)
    return head


def _plain(path: str) -> str:
    return unquote(path) if "%" in path else path


def _decoded(pairs: Iterable[Pair]) -> list[tuple[str, str]]:
    try:
        return [(name.decode("latin-1"), value.decode()) for name, value in pairs]
    except UnicodeDecodeError:
        return [(name.decode("latin-1"), _text(value)) for name, value in pairs]


def _text(value: bytes) -> str:
    """A header's value; the client that sends it on writes UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
