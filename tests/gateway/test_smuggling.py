"""No caller gets a second request, a header or another framing past the gateway.

Every case runs against the server as production starts it. A test per family collects what is
wrong with its cases, by their names.
"""

from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from config import asgi, protocol
from keys.models import AppKey, Application, ProviderKey
from tests.factories import AppKeyFactory
from tests.gateway import smuggling_cases, smuggling_heads, smuggling_paths
from tests.gateway.conftest import REAL
from tests.gateway.serving import Server, wait_until
from tests.gateway.smuggling_cases import TARGET, Case, End, Family, get, post
from tests.gateway.wire import Caller, Doubtful, Wire, take

NEXT = b"GET %s?next HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer KEY\r\n\r\n"


@pytest.fixture
def wire(settings: Settings) -> Iterator[Wire]:
    made = Wire()
    settings.PROVIDER_URLS = {"modelslab": f"http://{made.host}"}
    settings.OUTBOUND_ALLOW = [made.host]
    yield made
    made.close()


@pytest.fixture
def listener(
    wire: Wire,
    provider_key: ProviderKey,
    start_gateway: Callable[..., Server],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Server:
    """The gateway's own listener; a request that never ends is given up before the test is."""
    monkeypatch.setattr(protocol, "HEAD_TIME", 20.0)
    settings.GATEWAY_BODY_TIMEOUT = 20.0
    settings.GATEWAY_TIMEOUT = 20.0
    return start_gateway(asgi.gateway)


def faults(server: Server, wire: Wire, case: Case, key: str) -> Iterator[str]:
    """What is wrong with how the server took the case."""
    before = len(wire.requests)
    sent = case.sent.replace(b"KEY", key.encode())
    length = len(sent.partition(b"\r\n\r\n")[2])
    with Caller(server.port) as caller:
        caller.say(sent.replace(b"LENGTH", b"%d" % length, 1))
        status = caller.status()
        is_open = case.end in (End.SERVED, End.DENIED)
        if case.end is End.SERVED:
            caller.say(NEXT.replace(b"KEY", key.encode()) % TARGET)
            if (found := caller.status()) != 200:
                yield f"the next request on the connection was answered {found}"
        if is_open:
            caller.half_close()
        if left := caller.rest():
            yield f"then came {left[:40]!r}"
    taken = case.end in (End.SERVED, End.ALONE)
    if not (status == 200 if taken else 400 <= status < 500):
        yield f"was answered {status}"
    with Caller(server.port) as caller:
        caller.say(NEXT.replace(b"KEY", key.encode()) % TARGET)
        if caller.status() != 200:
            yield "a new connection was not served"
    came = wire.requests[before:]
    asked = [each for each in came if b"?next" not in each.target]
    if len(asked) != taken:
        yield f"{len(asked)} requests came"
    if asked and case.came not in asked[0].raw:
        yield f"came as {asked[0].raw!r}"


def faults_of(family: Family, server: Server, wire: Wire, key: str) -> list[str]:
    found = [
        f"{name}: {fault}"
        for name, case in family.items()
        for fault in faults(server, wire, case, key)
    ]
    found += [f"doubtful: {doubt!r}" for doubt in wire.doubts]
    targets = {sent.target for sent in wire.requests}
    found += [f"asked for {target!r}" for target in targets if b"smuggled" in target]
    heads = b"".join(sent.raw.partition(b"\r\n\r\n")[0].lower() for sent in wire.requests)
    found += [f"{name!r} was sent on" for name in (b"\r\nx-smuggled", b"x-gone") if name in heads]
    if key.encode() in wire.seen:
        found.append("the app key was sent on")
    if REAL.encode() not in wire.seen:
        found.append("nothing reached the provider")
    return found


@pytest.mark.parametrize(
    "family",
    [
        smuggling_cases.LENGTHS,
        smuggling_cases.CODINGS,
        smuggling_cases.CHUNKS,
        smuggling_heads.LINES,
        smuggling_heads.FIELDS,
        smuggling_heads.HOPS,
        smuggling_heads.ENCODED,
    ],
    ids=["lengths", "codings", "chunks", "lines", "fields", "hops", "encoded"],
)
def test_one_request_is_one_request(listener: Server, wire: Wire, key: str, family: Family) -> None:
    assert faults_of(family, listener, wire, key) == []


def test_a_trick_of_the_path_passes_no_endpoint_rule(
    listener: Server, wire: Wire, application: Application
) -> None:
    images: AppKey = AppKeyFactory(application=application, endpoints=["/api/v6/images/*"])
    key: str = images.plaintext  # type: ignore[attr-defined]
    assert faults_of(smuggling_paths.PATHS, listener, wire, key) == []
    assert {sent.target.partition(b"?")[0] for sent in wire.requests} == {smuggling_cases.IMAGES}


@pytest.mark.parametrize("framing", [b"Content-Length: 9", b"Transfer-Encoding: chunked"])
def test_half_a_body_and_a_closed_half_of_the_line_are_no_request(
    listener: Server, wire: Wire, key: str, framing: bytes
) -> None:
    for media in (b"application/json", b"audio/mpeg"):
        half = post(framing, b"4\r\n{}").replace(b"application/json", media)
        with Caller(listener.port) as caller:
            caller.say(NEXT.replace(b"KEY", key.encode()) % TARGET)
            assert caller.status() == 200
        with Caller(listener.port) as caller:
            caller.say(half.replace(b"KEY", key.encode()))
            caller.half_close()
            assert caller.rest() == b""
    assert [sent for sent in wire.requests if b"?next" not in sent.target] == []
    assert wire.doubts == []


def test_nothing_is_said_into_the_answer_that_is_under_way(
    listener: Server, wire: Wire, key: str
) -> None:
    """The refusal of a second request would read as the answer to the first."""
    wire.hold.clear()
    with Caller(listener.port) as caller:
        caller.say(get().replace(b"KEY", key.encode()))
        wait_until(lambda: wire.requests)
        caller.say(b"NONSENSE\r\n\r\n")
        assert caller.rest() == b""
    wire.hold.set()


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_the_next_answer_begins_where_one_without_a_body_ends(
    listener: Server, wire: Wire, key: str, status: bytes
) -> None:
    empty = b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n"
    with Caller(listener.port) as caller:
        for answer, method, said in (
            (empty, b"GET", int(status[:3])),
            (wire.ANSWER, b"GET", 200),
            (wire.ANSWER.removesuffix(b"{}"), b"HEAD", 200),
            (wire.ANSWER, b"GET", 200),
        ):
            wire.answer = answer
            request = get(line=method + b" " + TARGET + b" HTTP/1.1")
            caller.say(request.replace(b"KEY", key.encode()))
            bare = method == b"HEAD" or answer is empty
            assert caller.status(bare=bare) == said
        caller.say(get(line=b"HEAD " + TARGET + b" HTTP/1.1").replace(b"KEY", b"unknown"))
        assert caller.status(bare=True) == 401
        caller.half_close()
        assert caller.rest() == b""


def test_an_offer_of_another_protocol_is_read_the_same_in_any_pieces(
    listener: Server, wire: Wire, key: str
) -> None:
    offers = [smuggling_heads.HOPS[name].sent for name in ("h2c with a body", "h2c with chunks")]
    sent = b"".join(offers).replace(b"KEY", key.encode())
    for size in (1, 7, 100, len(sent)):
        with Caller(listener.port) as caller:
            caller.say(*(sent[at : at + size] for at in range(0, len(sent), size)))
            assert (caller.status(), caller.status()) == (200, 200)
    assert len({sent.body for sent in wire.requests}) == 1
    assert (len(wire.requests), wire.doubts) == (8, [])


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.1\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
    ],
)
def test_the_upstream_of_these_tests_doubts_what_is_doubtful(data: bytes) -> None:
    with pytest.raises(Doubtful):
        take(data)
