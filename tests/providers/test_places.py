"""Wherever clients put the app key, for every provider: it is found, and all of it leaves."""

import base64
import json
from collections.abc import Iterable
from itertools import combinations
from urllib.parse import parse_qsl, quote, unquote, urlencode

import pytest

from keys import tokens
from keys.providers.base import ProviderSpec
from keys.providers.injection import Outgoing, inject
from keys.vault import Secret
from tests.providers.finding import find_credentials
from tests.providers.test_conformance import every_provider
from usage.gateway import core
from usage.gateway.errors import Denial

APP = tokens.new_app_key("live", "A1b2C3d4E5f6")
OTHER = tokens.new_app_key("test", "A1b2C3d4E5f7")
SECRET = "S3CRETofTHEprovider"
BODIES = ("json", "urlencoded", "multipart")
HEADERS = ("Key", "X-Api-Key", "Api-Key", "x-goog-api-key", "XI-API-Key")
QUERY = ("?key", "?api_key", "?token")
PLACES = (*BODIES, "Bearer", "Token", "Basic user", "Basic password", *HEADERS, *QUERY)
PAIRS = [pair for pair in combinations(PLACES, 2) if not set(pair) <= set(BODIES)]


def own_places(spec: ProviderSpec) -> list[str]:
    """The header, parameter or member that this provider alone has."""
    marks = {"header": "{}", "query": "?{}", "body": "json {}"}
    return [marks[p.place].format(p.name) for p in spec.accepts if p.place in marks]


def request(spec: ProviderSpec, keys: dict[str, str]) -> Outgoing:
    """A POST with these app keys in those places, and a prompt in its body."""
    form = next((place.partition(" ")[0] for place in keys if place.startswith(BODIES)), "json")
    headers: list[tuple[str, str]] = [("Accept", "*/*")]
    query, fields = [("page", "2")], {"prompt": "x"}
    for place, text in keys.items():
        if place.startswith("?"):
            query.append((place[1:], text))
        elif place.startswith(BODIES):
            fields[place.partition(" ")[2] or "key"] = text
        elif place.startswith("Basic"):
            pair = f"{text}:" if place == "Basic user" else f"anyone:{text}"
            headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
        elif place in ("Bearer", "Token"):
            headers.append(("Authorization", f"{place} {text}"))
        else:
            headers.append((place, text))
    media, body = written(form, fields)
    headers.append(("Content-Type", media))
    return Outgoing("POST", spec.example.path, urlencode(query), tuple(headers), body)


def written(form: str, fields: dict[str, str]) -> tuple[str, bytes]:
    if form == "json":
        return "application/json", json.dumps(fields).encode()
    if form == "urlencoded":
        return "application/x-www-form-urlencoded", urlencode(fields).encode()
    parts = "".join(
        f'--xYz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return "multipart/form-data; boundary=xYz", f"{parts}--xYz--\r\n".encode()


def assert_only_the_secret_leaves(spec: ProviderSpec, asked: Outgoing) -> Outgoing:
    assert core.app_key_text(find_credentials(asked, spec)) == APP
    sent = inject(spec, asked, APP, Secret(SECRET))
    texts = [sent.path, sent.query, sent.body.decode(), *(t for pair in sent.headers for t in pair)]
    texts += [
        base64.b64decode(value[6:]).decode()
        for name, value in sent.headers
        if value.startswith("Basic ")
    ]
    once = [unquote(text) for text in texts]
    assert APP not in "\n".join([*texts, *once, *map(unquote, once)])
    assert sum(text.count(SECRET) for text in texts) == 1
    assert [found.text for found in find_credentials(sent, spec)] == [SECRET]
    assert ("page", "2") in parse_qsl(sent.query)
    assert ("Accept", "*/*") in sent.headers
    assert "prompt" in sent.body.decode()
    return sent


@every_provider
def test_the_app_key_is_taken_from_any_place(spec: ProviderSpec) -> None:
    for place in (*PLACES, *own_places(spec)):
        assert_only_the_secret_leaves(spec, request(spec, {place: APP}))
    for name in [place.name for place in spec.accepts if place.place == "header"]:
        for prefix in (spec.prefix, spec.prefix.lower()):
            assert_only_the_secret_leaves(spec, request(spec, {name: prefix + APP}))


@every_provider
def test_the_app_key_is_taken_from_several_places_at_once(spec: ProviderSpec) -> None:
    for pair in PAIRS:
        assert_only_the_secret_leaves(spec, request(spec, dict.fromkeys(pair, APP)))
    for body in BODIES:
        everywhere = [place for place in PLACES if place not in BODIES or place == body]
        assert_only_the_secret_leaves(spec, request(spec, dict.fromkeys(everywhere, APP)))


@every_provider
def test_two_different_app_keys_are_refused_wherever_they_are(spec: ProviderSpec) -> None:
    for first, second in PAIRS:
        found = find_credentials(request(spec, {first: APP, second: OTHER}), spec)
        with pytest.raises(Denial) as refused:
            core.app_key_text(found)
        assert refused.value.code == "bad_request", (first, second)


def strays() -> Iterable[tuple[str, Outgoing]]:
    """Requests with the key where clients put it, and once more where nobody looks for one."""
    bearer = ("Authorization", f"Bearer {APP}")
    typed = ("Content-Type", "application/json")
    twice = quote(quote(f"https://a.example/?key={APP}", safe=""), safe="")
    spelled = "".join(f"%{ord(char):02x}" for char in APP)
    for name, query in {
        "repeated": f"key={APP}&key={APP}&page=2",
        "nested": f"page=2&next={quote(f'https://a.example/?key={APP}', safe='')}",
        "nested twice": f"page=2&next={twice}",
        "spelled out": f"page=2&q={spelled}",
        "a name": f"page=2&{APP}",
    }.items():
        yield name, Outgoing("GET", "/v1/x", query, (("Accept", "*/*"), bearer))
    for name, value in {
        "Referer": f"https://a.example/?key={APP}",
        "Origin": f"https://{APP}.example",
        "X-Trace": f"call;{spelled}",
        "Proxy-Authorization": f"Basic {base64.b64encode(f'{APP}:'.encode()).decode()}",
    }.items():
        yield name, Outgoing("GET", "/v1/x", "page=2", (("Accept", "*/*"), bearer, (name, value)))
    nested = json.dumps({"prompt": [APP, {APP: f"a {APP} b"}], "key": APP}).encode()
    yield "json", Outgoing("POST", "/v1/x", "page=2", (("Accept", "*/*"), bearer, typed), nested)
    form = ("Content-Type", "multipart/form-data; boundary=xYz")
    file = (
        f'--xYz\r\nContent-Disposition: form-data; name="prompt"; filename="{APP}.txt"\r\n'
        f"Content-Type: text/plain; charset={APP}\r\n\r\nkey={APP}\r\n--xYz--\r\n"
    ).encode()
    yield "file", Outgoing("POST", "/v1/x", "page=2", (("Accept", "*/*"), bearer, form), file)


@every_provider
def test_a_stray_copy_does_not_leave_either(spec: ProviderSpec) -> None:
    for name, asked in strays():
        sent = inject(spec, asked, APP, Secret(SECRET))
        texts = [sent.query, sent.body.decode(), *(t for pair in sent.headers for t in pair)]
        texts += [base64.b64decode(v[6:]).decode() for _, v in sent.headers if v[:6] == "Basic "]
        once = [unquote(text) for text in texts]
        assert APP not in "\n".join([*texts, *once, *map(unquote, once)]), name
        assert sum(text.count(SECRET) for text in texts) == 1, name
