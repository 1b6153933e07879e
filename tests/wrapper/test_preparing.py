"""What a KeyedSession makes of a request is what requests makes of it, whichever way it takes."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.upstream import Upstream
from tests.wrapper.conftest import REAL, TEXT2IMG
from usage.client import KeyedSession


def signed(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.headers["X-Signed"] = "yes"
    return request


def seen(response: requests.Response, **_: object) -> None:
    """A hook."""


ASKED: list[dict[str, Any]] = [
    {},
    {"method": "get"},
    {"method": "delete"},
    {"url": "/a b/ü?x=1&y=%41#part"},
    {"url": b"/api/v7/models"},
    {"url": "/api/" + "long/" * 40},
    {"json": {"prompt": "ü"}},
    {"json": []},
    {"data": b"bytes"},
    {"data": "text ü"},
    {"data": {"a": "1", "b": ["2", "3"]}},
    {"data": [("a", "1"), ("a", "2")]},
    {"data": "{}", "headers": {"Content-Type": "application/json"}},
    {"data": io.BytesIO(b"a file")},
    {"headers": {"accept": "image/png", "User-Agent": None, "X-Number": b"1"}},
    {"headers": {b"X-Bytes": "a", "x-bytes": "b"}},
    {"params": {"page": 2}},
    {"cookies": {"a": "b"}},
    {"auth": ("user", "password")},
    {"auth": signed},
    {"hooks": {"response": seen}},
    {"hooks": {"response": [seen, seen]}},
]


def told(request: requests.PreparedRequest) -> list[Any]:
    kept = ("method", "url", "body", "hooks", "_body_position")
    cookies: Any = request._cookies  # type: ignore[attr-defined] # not in its stubs
    return [
        list(request.headers.items()),
        [(cookie.name, cookie.value) for cookie in cookies],
        *(getattr(request, name) for name in kept),
    ]


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"headers": {"X-Mine": "1", "User-Agent": "mine", "Accept": "text/plain"}},
        {"headers": {"X-Gone": None}},
        {"hooks": {"response": [seen]}},
        {"params": {"of": "session"}},
        {"auth": ("of", "session")},
        {"cookies": {"of": "session"}},
    ],
)
def test_it_is_what_requests_makes_of_it(
    session: KeyedSession, provider: Upstream, own: dict[str, Any]
) -> None:
    plain = requests.Session()
    plain.trust_env = False
    for each in (plain, session):
        each.headers.update(own.get("headers", {}))
        each.cookies.update(own.get("cookies", {}))
        each.hooks = own.get("hooks", each.hooks)
        each.params, each.auth = own.get("params", {}), own.get("auth")
    wrong = []
    for options in ASKED:
        asked = {"method": "POST", "url": TEXT2IMG, **options}
        ours = session.prepare_request(requests.Request(**asked))
        path = asked["url"] if isinstance(asked["url"], str) else asked["url"].decode()
        theirs = plain.prepare_request(requests.Request(**{**asked, "url": provider.url + path}))
        if told(ours) != told(theirs):
            wrong.append((told(ours), told(theirs)))
    assert wrong == []


def test_a_file_goes_as_a_form(session: KeyedSession, provider: Upstream) -> None:
    session.post(TEXT2IMG, files={"image": ("a.png", b"png")}, data={"prompt": "x"})
    (received,) = provider.requests
    assert b'name="image"; filename="a.png"' in received.body
    assert REAL.encode() in received.body


@pytest.mark.parametrize(
    "headers", [{"X-Broken": "a\r\nb: c"}, {"X-Broken": " a"}, {"X:": "a"}, {"X-Number": 1}]
)
def test_a_header_that_requests_refuses_is_refused(
    session: KeyedSession, headers: dict[str, Any]
) -> None:
    with pytest.raises(requests.exceptions.InvalidHeader):
        session.get("/api/v7/models", headers=headers)


def test_what_is_no_prepared_request_is_refused(session: KeyedSession) -> None:
    with pytest.raises(ValueError, match="PreparedRequest"):
        session.send(requests.Request("GET", "/api/v7/models"))  # type: ignore[arg-type]


def test_a_requests_hooks_and_time_are_its_own(session: KeyedSession) -> None:
    found: list[dict[str, Any]] = []

    def tell(response: requests.Response, **options: Any) -> requests.Response:
        found.append({**options, "content": response.content})
        response.reason = "Told"
        return response

    response = session.get("/api/v7/models", hooks={"response": tell}, timeout=7)
    assert response.reason == "Told"
    assert response.elapsed.total_seconds() > 0
    assert found == [
        {
            "timeout": 7,
            "stream": False,
            "verify": True,
            "cert": None,
            "proxies": {},
            "content": response.content,
        }
    ]


def test_a_redirect_says_what_it_leads_to(session: KeyedSession, provider: Upstream) -> None:
    provider.answer(302, headers={"Location": "/api/elsewhere"})
    following = session.get("/api/v7/models").next
    assert following is not None
    assert following.url == f"{provider.url}/api/elsewhere"


def test_digest_authentication_asks_again(session: KeyedSession, provider: Upstream) -> None:
    challenge = 'Digest realm="r", nonce="n", qop="auth"'
    provider.answer(401, headers={"WWW-Authenticate": challenge, "Set-Cookie": "a=b"})
    digest = requests.auth.HTTPDigestAuth("user", "password")
    response = session.get("/api/v7/models", auth=digest)
    assert [one.status_code for one in (*response.history, response)] == [401, 401]
    assert provider.requests[0].header("authorization") is None
    assert len(provider.requests) == 2
    assert not session.cookies


def test_no_cookie_of_an_answer_is_sent_again(session: KeyedSession, provider: Upstream) -> None:
    provider.answer(200, {}, headers={"Set-Cookie": "a=b"})
    assert session.get("/api/v7/models").cookies["a"] == "b"
    session.get("/api/v7/models")
    assert provider.requests[1].header("cookie") is None


@pytest.mark.parametrize("factory", [requests.cookies.RequestsCookieJar, dict])
def test_cookies_of_the_sessions_owner_are_sent(
    session: KeyedSession, provider: Upstream, factory: Callable[[], Any]
) -> None:
    session.cookies = factory()
    session.cookies["mine"] = "1"
    session.get("/api/v7/models")
    assert provider.requests[0].header("cookie") == "mine=1"
