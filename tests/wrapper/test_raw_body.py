"""`Response.raw` of the wrapper: every way to read it goes through the mask."""

import io
import json
from collections.abc import Callable

import pytest

from tests.upstream import Answer, Upstream
from tests.wrapper.conftest import REAL, only_call
from usage.client import KeyedSession

LINES = [f"{REAL} {number}".encode() for number in range(3)]
BODY = b"\n".join(LINES)
MASKED = BODY.replace(REAL.encode(), b"*" * len(REAL))


@pytest.mark.parametrize(
    "read",
    [
        lambda raw: raw.read(),
        lambda raw: b"".join(iter(lambda: raw.read(7), b"")),
        lambda raw: b"".join(iter(lambda: raw.read1(7), b"")),
        lambda raw: b"".join(raw.readlines()),
        lambda raw: raw.readline() + raw.read(),
        lambda raw: raw.readall(),
        lambda raw: raw.data,
        lambda raw: b"".join(raw.stream(5)),
        lambda raw: b"".join(raw),
        lambda raw: io.BufferedReader(raw).read(),
    ],
)
def test_it_is_masked_and_recorded_once(
    session: KeyedSession, provider: Upstream, read: Callable[[io.RawIOBase], bytes]
) -> None:
    provider.handler = lambda _: Answer(200, BODY, {"Content-Type": "text/plain"})
    response = session.get("/api/v7/models", stream=True)
    assert read(response.raw) == MASKED
    assert only_call().bytes_out == len(BODY)


@pytest.mark.parametrize("name", ["read_chunked", "readinto1", "drain_conn", "_body", "peek"])
def test_nothing_else_of_it_is_passed_on(
    session: KeyedSession, provider: Upstream, name: str
) -> None:
    response = session.get("/api/v7/models", stream=True)
    assert not hasattr(response.raw, name)
    assert json.loads(response.raw.read())


def test_an_answer_whose_wait_is_nonsense_still_ends_its_call(
    session: KeyedSession, provider: Upstream
) -> None:
    provider.answer(429, {"status": "error"}, headers={"Retry-After-Ms": "9" * 5000})
    assert session.get("/api/v7/models").status_code == 429
    assert only_call().outcome == "rate_limited"
