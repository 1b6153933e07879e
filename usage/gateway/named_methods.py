"""Methods that a request names beside its request line.

Laravel, Symfony, Rails and others believe a `_method` of query or body over the request line. So
an app key's methods hold only if whatever such a framework may read there is read here too, and
those are no strict readers: what can't be told is refused, but to keys with a policy alone.
"""

import re
from urllib.parse import unquote_plus

from keys.providers.injection import Outgoing
from keys.providers.jsonbody import BadBody
from keys.providers.outgoing import in_body, media_type, read_body, says_json
from usage.gateway import errors
from usage.gateway.records import AppKeyRecord

STREAMED = b"\0"  # stands in for a body that is streamed past, and can't be looked at
_NAME = "_method"
_SEPARATOR = re.compile("[&;]")  # Rack 2 takes a semicolon as well
_MOST_PAIRS = 10_000
_BLANKS = re.compile(r"(?:[+ ]|%20)*+")
_LONG = 100  # characters; more than the name, each of its bytes encoded, and than any method
_READ_AS_FORM = frozenset({"", "application/x-www-form-urlencoded"})  # Rack: without a type too
# Folded lines, single quotes, blanks, `name*`, parts ended by line feeds alone: readers of
# multipart take some or other of these, so it is looked for wherever it stands.
_IN_A_PART = re.compile(
    rb"name\*?\s*=\s*(?:utf-8\s*)?(?:[._]|%5f|%2e)method(?![a-z0-9_.-])", re.IGNORECASE
)
_QUOTES = b"\"'\\"


def admit(record: AppKeyRecord | None, outgoing: Outgoing, app_key_text: str) -> None:
    """Raises Denial where query or body name a method that the app key's policy doesn't allow."""
    if record is None or record.methods is None:
        return
    try:
        named = _named(outgoing, app_key_text)
    except BadBody as error:
        raise errors.denial("bad_request", str(error)) from error
    if any(method.strip().upper() not in record.methods for method in named):
        text = "This app key may not name another method"
        raise errors.denial("endpoint_not_allowed", text, reason="method_not_allowed")


def _named(outgoing: Outgoing, app_key_text: str) -> list[str]:
    """Every method that somebody may read there, `?` for one that can't be told. Raises BadBody."""
    found = _in_pairs(outgoing.query)
    kind = media_type(outgoing)
    media = kind.partition(";")[0].strip().lower()
    content = outgoing.body
    if not content:
        return found
    if "," in media or " " in media or "\t" in media:
        raise BadBody("The Content-Type is ambiguous")
    if content == STREAMED:
        if media == "" or says_json(media):
            raise BadBody("Announce the body's length, and what it is in Content-Type")
        return found
    if media in _READ_AS_FORM:
        found += _in_pairs(content.decode("latin-1"))
    body = outgoing.reading or read_body(outgoing)
    if body.form == "json" and isinstance(body.data, dict):
        # The app key is taken out of what is sent on: a name may close up behind it.
        for name, value in body.data.items():
            if value and isinstance(value, str) and _is_it(name.replace(app_key_text, "")):
                found.append(value)
    elif body.form == "multipart":
        plain = content.replace(app_key_text.encode(), b"").translate(None, _QUOTES)
        if times := len(_IN_A_PART.findall(plain)):
            found.append((times == 1 and in_body(outgoing, body, _NAME)) or "?")
    return found


def _in_pairs(text: str) -> list[str]:
    if not text:
        return []
    pairs = _SEPARATOR.split(text, _MOST_PAIRS)
    if len(pairs) > _MOST_PAIRS:
        raise BadBody(f"More than {_MOST_PAIRS} form fields or query parameters")
    told = (pair.partition("=") for pair in pairs)
    found = [unquote_plus(value[:_LONG]) for name, _, value in told if _is_it(_decoded(name))]
    return [value for value in found if value]


def _decoded(name: str) -> str:
    """As much of a field's name as matters: decoded, a large body takes eighty times its size."""
    start = _BLANKS.match(name)
    at = start.end() if start else 0
    return unquote_plus(name[at : at + _LONG])


def _is_it(name: str) -> bool:
    """As PHP reads names: to a zero byte, without blanks before, a dot as an underscore."""
    return name.partition("\0")[0].lstrip().replace(".", "_") == _NAME
