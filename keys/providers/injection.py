"""Takes the app key out of a request and puts the provider's key in. Pure: the gateway's hot path.

Every copy of the app key goes, wherever a client may have put it; the secret goes to one place.
"""

from typing import NamedTuple
from urllib.parse import unquote

from keys.providers import formbody, jsonbody
from keys.providers.base import Placement, ProviderSpec
from keys.providers.jsonbody import BadBody
from keys.providers.outgoing import (
    QUERY_NAMES,
    Body,
    Found,
    Headers,
    Outgoing,
    basic,
    found_inside,
    found_outside,
    in_body,
    in_headers,
    media_type,
    names_in,
    names_of,
    read,
    read_body,
)
from keys.vault import Secret

__all__ = [
    "BadBody",
    "Found",
    "Outgoing",
    "Stripped",
    "found_inside",
    "found_outside",
    "inject",
    "read",
    "strip",
]

_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_NOWHERE = frozenset[Placement]()


class Stripped(NamedTuple):
    """What is left of a request's head without the app key, and the places where that stood."""

    headers: Headers
    query: str
    places: frozenset[Placement]


def strip(spec: ProviderSpec, outgoing: Outgoing, app_key_text: str) -> Stripped:
    """The head without a trace of the app key; nothing of the body is looked at. Raises BadBody."""
    plain = unquote(outgoing.path) if "%" in outgoing.path else outgoing.path
    if app_key_text and app_key_text in plain:
        raise BadBody("A key does not belong in the path")
    headers = tuple(_kept_headers(outgoing.headers, spec, app_key_text))
    own_queries = names_of(spec.accepts).own_queries
    query = formbody.without_pairs(outgoing.query, own_queries, app_key_text)
    return Stripped(headers, query, _places_outside(outgoing, spec, app_key_text))


def inject(
    spec: ProviderSpec,
    outgoing: Outgoing,
    app_key_text: str,
    secret: Secret,
    stripped: Stripped | None = None,
) -> Outgoing:
    """The request as the provider gets it: no trace of the app key, the secret in its one place.

    An empty `app_key_text` means that the caller sent none (probes, the wrapper). `stripped` is
    what `strip` made of the same head. Raises BadBody.
    """
    kept, query, places = stripped or strip(spec, outgoing, app_key_text)
    headers = [*kept]
    names = names_of(spec.accepts)
    body = outgoing.reading or read_body(outgoing)
    found = places | _places_inside(outgoing, body, spec, app_key_text)
    target = _target(spec, outgoing, body, found)
    media = media_type(outgoing)
    content = outgoing.body
    for name in {*names.own_members, *names_in(found, "body")} if content else ():
        if name != target.name or target.place != "body":
            content = _without_member(content, body, media, name)
    text = secret.reveal()
    if target.place == "bearer":
        headers.append(("Authorization", f"Bearer {text}"))
    elif target.place == "header":
        headers.append((target.name, spec.prefix + text))
    elif target.place == "query":
        query = formbody.with_pair(query, target.name, text)
    else:
        content = _with_member(content, body, media, target.name, text)
        if body.form == "none":
            media = "application/json"
            headers = [*_without(headers, "content-type"), ("Content-Type", media)]
    content = _scrubbed(content, body, app_key_text)
    if content is not outgoing.body:
        headers = _without(headers, "content-length")  # the sender's to say again
    return Outgoing(outgoing.method, outgoing.path, query, tuple(headers), content, media)


def _places_outside(
    outgoing: Outgoing, spec: ProviderSpec, app_key_text: str
) -> frozenset[Placement]:
    """Where in headers and query the caller put the app key, if the provider could look there."""
    if not app_key_text:
        return _NOWHERE
    places = {
        placement
        for placement, text in in_headers(outgoing.headers, spec.accepts)
        if app_key_text in text
    }
    own_queries = names_of(spec.accepts).own_queries
    for name in {*QUERY_NAMES, *own_queries} if outgoing.query else ():
        if any(app_key_text in v for v in formbody.pairs_named(outgoing.query, name)):
            places.add(Placement("query", name))
    return frozenset(places)


def _places_inside(
    outgoing: Outgoing, body: Body, spec: ProviderSpec, app_key_text: str
) -> frozenset[Placement]:
    """The same for the body."""
    if not app_key_text or body.form == "none":
        return _NOWHERE
    return frozenset(
        Placement("body", name)
        for name in names_of(spec.accepts).members
        if app_key_text in in_body(outgoing, body, name)
    )


def _target(
    spec: ProviderSpec, outgoing: Outgoing, body: Body, found: frozenset[Placement]
) -> Placement:
    """The place the spec wants, or the nearest one that this request has."""
    target = spec.placement(outgoing.path, found)
    if target.place != "body":
        return target
    in_query = Placement("query", target.name)
    if body.form == "none" and outgoing.method.upper() in _BODILESS and in_query in spec.accepts:
        return in_query  # any other provider gets a body: a secret in a URL ends up in logs
    if body.form == "opaque":
        return Placement("header", target.name.lower())
    if body.form == "json" and not isinstance(body.data, dict):
        raise BadBody("The request body must be a JSON object")
    return target


def _kept_headers(headers: Headers, spec: ProviderSpec, app_key_text: str) -> list[tuple[str, str]]:
    """The caller's headers without the app key and without rivals of the real key."""
    rivals = names_of(spec.accepts).rivals
    kept = [pair for pair in headers if pair[0].lower() not in rivals]
    if app_key_text and _may_carry(kept, app_key_text):
        kept = [pair for pair in kept if not _carries(pair, app_key_text)]
    if spec.extra_headers:
        present = {name.lower() for name, _ in headers}
        kept += [pair for pair in spec.extra_headers if pair[0] not in present]
    return kept


def _may_carry(headers: list[tuple[str, str]], app_key_text: str) -> bool:
    """Whether one of them has to be looked at more closely; most calls' haven't."""
    text = "\n".join(map("\n".join, headers))
    return app_key_text in text or "%" in text or "basic " in text.lower()


def _carries(header: tuple[str, str], app_key_text: str) -> bool:
    """Whether the app key is in a header's name or value, encoded or not."""
    name, value = header
    if app_key_text in value or app_key_text in name:
        return True
    if ("%" in value or "%" in name) and (
        formbody.holds(value, app_key_text) or formbody.holds(name, app_key_text)
    ):
        return True
    return value[:6].lower() == "basic " and app_key_text in basic(value[6:])


def _without(headers: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    return [pair for pair in headers if pair[0].lower() != name]


def _without_member(content: bytes, body: Body, media: str, name: str) -> bytes:
    if body.form == "json" and isinstance(body.data, dict):
        found = jsonbody.member(content, body.data, name)
        return jsonbody.remove(content, found) if found else content
    if body.form == "urlencoded":
        text = content.decode("latin-1")
        left = formbody.without_pairs(text, frozenset({name}), "")
        return left.encode("latin-1") if left != text else content
    if body.form == "multipart":
        part = formbody.part(content, formbody.boundary(media), name)
        return content[: part.start] + content[part.end :] if part else content
    return content


def _with_member(content: bytes, body: Body, media: str, name: str, text: str) -> bytes:
    if body.form == "none":
        return jsonbody.insert(b"{}", name, text)
    if body.form == "json":
        found = jsonbody.member(content, body.data, name)
        if found:
            return jsonbody.replace(content, found, text)
        return jsonbody.insert(content, name, text)
    if body.form == "urlencoded":
        left = formbody.without_pairs(content.decode("latin-1"), frozenset({name}), "")
        return formbody.with_pair(left, name, text).encode("latin-1")
    delimiter = formbody.boundary(media)
    part = formbody.part(content, delimiter, name)
    if part:
        return content[: part.value] + text.encode() + content[part.value_end :]
    return formbody.new_part(delimiter, name, text) + content


def _scrubbed(content: bytes, body: Body, app_key_text: str) -> bytes:
    """Without the copies that stand where no key belongs (in a prompt, in a nested object)."""
    if not app_key_text:
        return content
    if body.form == "urlencoded":
        text = content.decode("latin-1")
        left = formbody.without_pairs(text, frozenset(), app_key_text)
        return left.encode("latin-1") if left != text else content
    if body.form == "json":
        return jsonbody.without_text(content, app_key_text)
    return jsonbody.without_bytes(content, app_key_text.encode())
