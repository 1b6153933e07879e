"""What a provider that lies, breaks off or attacks comes to: a status or a cut, one record each,
and the next call gets its own answer.

Each case is the bytes of one answer on a connection that stays open unless the case closes it.
"""

import resource
import threading
import zlib
from collections.abc import Callable, Iterator

import pytest
import requests
from pytest_django import Settings

from keys.models import ProviderKey
from tests.gateway.conftest import REAL
from tests.gateway.hostile import (
    CHUNKED,
    CUT,
    END,
    EVIL,
    GOOD,
    ONE,
    SIZE,
    TABLES,
    Case,
    Late,
    as_play,
    head,
    json,
)
from tests.gateway.raw import Line, Play, RawProvider, ok
from tests.gateway.serving import Server, wait_until
from tests.live import PATIENCE
from usage.models import Call

StartProvider = Callable[[dict[str, Play]], RawProvider]


@pytest.fixture
def start_provider(settings: Settings) -> Iterator[StartProvider]:
    made: list[RawProvider] = []

    def start(plays: dict[str, Play]) -> RawProvider:
        provider = RawProvider(plays)
        made.append(provider)
        settings.PROVIDER_URLS = {"modelslab": f"http://{provider.host}"}
        settings.OUTBOUND_ALLOW = [provider.host]
        return provider

    yield start
    for provider in made:
        provider.close()


def send(gateway: Server, key: str, name: str, method: str = "POST") -> tuple[int, str, bytes, str]:
    """Status (CUT where it broke off), request id, body and head of the caller's answer."""
    sent = {"headers": {"x-api-key": key}, "stream": True}
    options = sent if method in ("GET", "HEAD") else {**sent, "json": {"prompt": "x"}}
    url = f"{gateway.url}/gateway/modelslab/api/v6/{name}"
    body = b""
    with gateway.session.request(method, url, **options) as answer:
        found = answer.headers["X-Request-Id"]
        try:
            for part in answer.iter_content(65536):
                body += part
        except requests.exceptions.ChunkedEncodingError:
            return CUT, found, body, str(answer.headers)
        return answer.status_code, found, body, f"{answer.reason} {answer.headers}"


def own_answer(gateway: Server, key: str, name: str) -> bool:
    status = 504
    while status == 504:  # a gateway of little patience, on a machine that stood still
        status, _, body, _ = send(gateway, key, name)
    return (status, body) == (200, b'{"status":"success","name":"%s"}' % name.encode()) or (
        b'"name": "%s"' % name.encode() in body
    )


def recorded(ids: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Outcome and code of each case, once all are drained."""
    wait_until(lambda: Call.objects.filter(pk__in=ids.values()).count() == len(ids))
    rows = {row.pk: row for row in Call.objects.filter(pk__in=ids.values())}
    by_text = {str(pk): (row.outcome, row.code) for pk, row in rows.items()}
    return {name: by_text[found] for name, found in ids.items()}


@pytest.mark.parametrize(
    "table", TABLES, ids=["lengths", "chunks", "heads", "statuses", "packings", "ways"]
)
def test_a_hostile_answer_comes_to_one_decided_end(
    start_provider: StartProvider,
    start_gateway: Callable[..., Server],
    provider_key: ProviderKey,
    key: str,
    settings: Settings,
    table: dict[str, Case],
) -> None:
    start_provider({name: as_play(case) for name, case in table.items()})
    ids, wrong = {}, {}
    for is_late in (False, True):
        # How long it waits for a byte is known to a gateway's client from the start.
        settings.GATEWAY_TIMEOUT = 0.5 if is_late else PATIENCE
        gateway = start_gateway()
        for name, case in table.items():
            if (case.expected is Late) is not is_late:
                continue
            status, ids[name], body, shown = send(gateway, key, name, case.method)
            if status != case.expected[0] or (case.body is not None and body != case.body):
                wrong[name] = f"{status} {body[:60]!r}"
            if REAL.encode() in body or REAL in shown:
                wrong[name] = "the key came through"
            if not own_answer(gateway, key, f"after-{name}"):
                wrong[name] = "the next call got another's answer"
        gateway.stop()
    ends = recorded(ids)
    for name, case in table.items():
        if ends[name] != case.expected[1:]:
            wrong[name] = f"{wrong.get(name, '')} {ends[name]}"
    print(f"{len(table)} of {sum(map(len, TABLES))} cases")
    assert wrong == {}


@pytest.mark.parametrize(
    "more",
    [
        EVIL,
        EVIL * 3,
        EVIL[:60],
        b"garbage",
        head(status=b"100 Continue"),
        head(status=b"103 Hints") + EVIL,
        head(b"Content-Length: 0", b"Connection: close", status=b"408 Request Timeout"),
        json(CHUNKED, body=ONE),
    ],
    ids=["answer", "answers", "half", "garbage", "continue", "hints", "time-out", "open"],
)
def test_what_is_said_on_a_waiting_connection_is_nobodys_answer(
    start_provider: StartProvider,
    start_gateway: Callable[..., Server],
    provider_key: ProviderKey,
    key: str,
    more: bytes,
) -> None:
    go, said = threading.Event(), threading.Event()

    def play(line: Line) -> None:
        line.body()
        line.say(ok(GOOD))
        go.wait(60)
        line.say(more)
        said.set()

    start_provider({"idle": play})
    gateway = start_gateway()
    assert send(gateway, key, "idle")[2] == GOOD
    go.set()
    assert said.wait(60)
    gateway.get("/api/v6/spin")  # without a key: the gateway's loop has been around since
    ids = {}
    for name in ("first", "second", "third"):
        status, ids[name], body, _ = send(gateway, key, name)
        assert (status, b"evil" in body) == (200, False), body
        assert name.encode() in body
    assert set(recorded(ids).values()) == {("ok", "")}


def test_an_answer_may_come_before_the_request_is_read(
    start_provider: StartProvider,
    start_gateway: Callable[..., Server],
    provider_key: ProviderKey,
    key: str,
) -> None:
    refusal = json(SIZE).replace(b"200 OK", b"413 Too Large")
    let_go = threading.Event()

    def stays(answer: bytes) -> Play:
        def play(line: Line) -> None:
            line.say(answer)
            let_go.wait(60)
            line.reset()

        return play

    def drains(line: Line) -> None:
        line.say(json(SIZE))
        line.body()

    plays = {"refuses": stays(refusal), "accepts": stays(json(SIZE)), "drains": drains}
    start_provider(plays)
    gateway = start_gateway()
    ids = {}
    for name, status in (("refuses", 413), ("accepts", 200), ("drains", 200)):
        headers = {"x-api-key": key, "Content-Type": "application/octet-stream"}
        answer = gateway.post(f"/api/v6/{name}", data=b"x" * 8_000_000, headers=headers)
        ids[name] = answer.headers["X-Request-Id"]
        assert (answer.status_code, answer.content) == (status, GOOD), name
        assert own_answer(gateway, key, f"after-{name}")
    let_go.set()
    outcomes = {name: end[0] for name, end in recorded(ids).items()}
    assert outcomes == {"refuses": "caller_error", "accepts": "ok", "drains": "ok"}


MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("media", "mebibytes"),
    [
        (b"application/json", 96),
        (b"text/plain", 96),
        pytest.param(b"application/json", 1024, marks=pytest.mark.prove),
    ],
)
def test_zeros_packed_small_cost_no_memory(
    start_provider: StartProvider,
    start_gateway: Callable[..., Server],
    provider_key: ProviderKey,
    key: str,
    media: bytes,
    mebibytes: int,
) -> None:
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    lines = (b"Content-Type: " + media, b"Content-Encoding: deflate", CHUNKED)

    def play(line: Line) -> None:
        line.body()
        line.say(head(*lines), b"2\r\n\x78\x9c\r\n")
        for _ in range(mebibytes):
            line.say(b"%x\r\n%s\r\n" % (len(block), block))
        line.say(END)  # without the checksum: the packing lacks its end

    start_provider({"bomb": play})
    gateway = start_gateway()
    assert own_answer(gateway, key, "before")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with gateway.post("/api/v6/bomb", headers={"x-api-key": key}, json={}, stream=True) as answer:
        found, size = answer.headers["X-Request-Id"], 0
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            for part in answer.iter_content(MEBIBYTE):
                size += len(part)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{size // MEBIBYTE} MiB came, {grown // 1024} MiB grown")
    assert size > (mebibytes - 2) * MEBIBYTE
    assert grown < 32 * 1024
    assert own_answer(gateway, key, "after")
    assert recorded({"bomb": found}) == {"bomb": ("upstream_error", "unreadable_answer")}
