"""A request on its way to a provider, and the credentials that its caller put into it. Pure."""

import base64
import binascii
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from keys.providers import formbody, jsonbody
from keys.providers.base import BEARER, Placement, ProviderSpec
from keys.providers.jsonbody import BadBody

Headers = tuple[tuple[str, str], ...]

# Headers that carry nothing but a credential, whoever the provider is.
_KEY_HEADERS = frozenset({"key", "x-api-key", "api-key", "x-goog-api-key", "xi-api-key"})
QUERY_NAMES = ("key", "api_key", "token")
_FORMS = {"application/x-www-form-urlencoded": "urlencoded", "multipart/form-data": "multipart"}
_MAYBE_JSON = frozenset({"", "text/plain", "application/x-www-form-urlencoded"})
_KEPT = 64 * 1024  # bytes of a body whose reading is kept beside it; parsed, it is many times that


class Body(NamedTuple):
    """How a body is to be read: `form` is none, json, urlencoded, multipart or opaque."""

    form: str
    data: Any = None


class Outgoing(NamedTuple):
    """A request on its way to the provider. `query` is raw, without the question mark.

    `content_type` follows the header of that name, which may be left out here; `reading` is
    what `read` found in the body.
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes = b""
    content_type: str = ""
    reading: Body | None = None

    def __repr__(self) -> str:
        # The places of credentials stay out of it, and so out of tracebacks with values.
        told = (self.method, self.path, self.content_type)
        return "Outgoing(method={!r}, path={!r}, content_type={!r})".format(*told)


class Found(NamedTuple):
    """A credential that the caller sent, and where."""

    placement: Placement
    text: str


class Names(NamedTuple):
    """What the places of a provider are called, by their kind."""

    own_headers: frozenset[str]
    headers: frozenset[str]  # all that hold nothing but a credential
    looked_at: frozenset[str]  # those, and authorization
    rivals: frozenset[str]  # headers that the provider may believe over ours
    own_queries: frozenset[str]
    queries: tuple[str, ...]
    own_members: tuple[str, ...]
    members: tuple[str, ...]


@lru_cache(maxsize=1024)
def names_of(accepts: frozenset[Placement]) -> Names:
    """The names of these places."""
    own = names_in(accepts, "header")
    rivals = {*own, "authorization"} if any(p.place == "bearer" for p in accepts) else {*own}
    queries, members = names_in(accepts, "query"), names_in(accepts, "body")
    return Names(
        frozenset(own),
        _KEY_HEADERS.union(own),
        _KEY_HEADERS.union(own, {"authorization"}),
        frozenset(rivals),
        frozenset(queries),
        # A caller without a body names the member of a body there.
        tuple(dict.fromkeys((*QUERY_NAMES, *queries, *members))),
        tuple(members),
        tuple(dict.fromkeys(("key", *members))),
    )


def read(outgoing: Outgoing) -> Outgoing:
    """The request with its body read, where that is worth keeping. Raises BadBody."""
    if len(outgoing.body) > _KEPT:
        return outgoing
    return Outgoing(*outgoing[:6], read_body(outgoing))


def found_outside(outgoing: Outgoing, spec: ProviderSpec) -> list[Found]:
    """Every credential in headers, then query. Raises BadBody."""
    names = names_of(spec.accepts)
    found = in_headers(outgoing.headers, spec.accepts, spec.prefix)
    for name in names.queries if outgoing.query else ():
        found += [
            Found(Placement("query", name), text)
            for text in formbody.pairs_named(outgoing.query, name)
        ]
    return _trimmed(found)


def found_inside(outgoing: Outgoing, spec: ProviderSpec) -> list[Found]:
    """Every credential in the body. Raises BadBody."""
    names = names_of(spec.accepts)
    body = outgoing.reading or read_body(outgoing)
    found = []
    for name in names.members if body.form != "none" else ():
        if body.form == "json" and isinstance(body.data, dict):
            jsonbody.member(outgoing.body, body.data, name)  # refuses two of them
        text = in_body(outgoing, body, name)
        if text:
            found.append(Found(Placement("body", name), text))
    return _trimmed(found)


def _trimmed(found: list[Found]) -> list[Found]:
    return [Found(placement, text.strip()) for placement, text in found if text.strip()]


def names_in(places: frozenset[Placement], place: str) -> list[str]:
    return [found.name for found in places if found.place == place]


def in_headers(headers: Headers, own: frozenset[Placement], prefix: str = "") -> list[Found]:
    """Credentials in headers; `prefix` is what the provider wants before them in its own."""
    names = names_of(own)
    looked_at, found = names.looked_at, []
    for name, value in headers:
        lowered = name.lower()
        if lowered not in looked_at:
            continue
        mine = prefix and lowered in names.own_headers
        if mine and value.lower().startswith(prefix.lower()):
            found.append(Found(Placement("header", lowered), value[len(prefix) :]))
        elif lowered == "authorization":
            found += _in_authorization(value)
        else:
            found.append(Found(Placement("header", lowered), value))
    return found


def _in_authorization(value: str) -> Iterator[Found]:
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() == "bearer":
        yield Found(BEARER, rest)
    elif scheme.lower() == "basic":
        yield from (Found(Placement("basic"), text) for text in basic(rest).split(":", 1))
    else:
        yield Found(Placement("header", "authorization"), rest or scheme)


def basic(encoded: str) -> str:
    try:
        # As bytes: those passes over what is no base64, as many readers do; a text may not hold it.
        return base64.b64decode(encoded.strip().encode() + b"==").decode("utf-8", "replace")
    except binascii.Error:
        return ""


def read_body(outgoing: Outgoing) -> Body:
    """How the body reads. JSON that comes under a form's content type (curl's default) counts."""
    body = outgoing.body
    if not body or body.isspace():
        return Body("none")
    kind = media_type(outgoing)
    form, may_be_json = (_announced if len(kind) <= _SHORT else _announced_by)(kind)
    if form != "opaque":
        _refuse_encoded(outgoing)
    if form == "json":
        return Body("json", jsonbody.parse(body))
    if may_be_json and body.lstrip()[:1] == b"{":
        try:
            return Body("json", jsonbody.parse(body))
        except BadBody:
            return Body(form)
    return Body(form)


def says_json(media: str) -> bool:
    """Whether some servers take a body of this type for JSON, as Laravel does `text/jsonl`."""
    return "/json" in media or "+json" in media


def _announced_by(content_type: str) -> tuple[str, bool]:
    """The form that a content type announces, and whether it may be JSON all the same."""
    media = content_type.partition(";")[0].strip().lower()
    if media.endswith(("/json", "+json")):
        return "json", False
    return _FORMS.get(media, "opaque"), media in _MAYBE_JSON or says_json(media)


_SHORT = 100  # characters of a content type that is remembered
_announced = lru_cache(maxsize=256)(_announced_by)


def media_type(outgoing: Outgoing) -> str:
    return outgoing.content_type or _header(outgoing, "content-type")


def _header(outgoing: Outgoing, wanted: str) -> str:
    size = len(wanted)
    for name, value in outgoing.headers:
        if len(name) == size and name.lower() == wanted:
            return value
    return ""


def _refuse_encoded(outgoing: Outgoing) -> None:
    if _header(outgoing, "content-encoding").strip().lower() not in ("", "identity"):
        raise BadBody("Send the request body without a Content-Encoding")


def in_body(outgoing: Outgoing, body: Body, name: str) -> str:
    if body.form == "json":
        if not isinstance(body.data, dict):
            return ""
        value = body.data.get(name)
        return value if isinstance(value, str) else ""
    if body.form == "urlencoded":
        values = formbody.pairs_named(outgoing.body.decode("latin-1"), name)
        if len(values) > 1:
            raise BadBody(f"The request body has more than one {name!r}")
        return values[0] if values else ""
    if body.form == "multipart":
        part = formbody.part(outgoing.body, formbody.boundary(media_type(outgoing)), name)
        return outgoing.body[part.value : part.value_end].decode("utf-8", "replace") if part else ""
    return ""
