"""Several keys of one provider: a wrapper's call goes on with the next as a gateway's does."""

import gzip
import json
from collections.abc import Callable

import pytest
import requests

from keys.models import Application, ProviderKey
from keys.states import Verdict
from tests.factories import ProviderKeyFactory
from tests.upstream import Answer, Received, Upstream
from tests.wrapper.conftest import REAL, TEXT2IMG, only_call
from usage.client import KeyedSession, RateLimited

SECOND = "secondSecretKeyOfModelsLab0123456789abcdefghijklmnopqrstuvwxy"
OK = {"status": "success", "id": 7, "output": []}
NO_CREDITS = {"status": "error", "message": "Insufficient credits"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def second(application: Application) -> ProviderKey:
    """Asked after the first."""
    key: ProviderKey = ProviderKeyFactory(
        application=application, secret=SECOND, verdict=Verdict.LIVE, priority=2
    )
    return key


def refuse_the_first(provider: Upstream, refusal: Answer) -> None:
    def answer(request: Received) -> Answer:
        taken = SECOND in request.body.decode()
        return Answer(200, json.dumps(OK).encode(), JSON) if taken else refusal

    provider.handler = answer


def refusal(status: int, *, packed: bool = False, chunked: bool = False) -> Answer:
    body = json.dumps(NO_CREDITS).encode()
    if packed:
        return Answer(status, gzip.compress(body), {**JSON, "Content-Encoding": "gzip"})
    return Answer(status, iter([body[:9], body[9:]]) if chunked else body, JSON)


@pytest.mark.parametrize("status", [200, 402])
@pytest.mark.parametrize("form", [{}, {"packed": True}, {"chunked": True}])
def test_a_refused_key_gives_way_to_the_next(
    session: KeyedSession,
    provider: Upstream,
    provider_key: ProviderKey,
    second: ProviderKey,
    status: int,
    form: dict[str, bool],
) -> None:
    refuse_the_first(provider, refusal(status, **form))
    assert session.post(TEXT2IMG, json={"prompt": "x"}).json() == OK
    call = only_call()
    assert (call.outcome, call.provider_key, call.attempts) == ("ok", second.pk, 2)
    [before] = call.attempts_before
    assert (before["provider_key"], before["status"]) == (provider_key.pk, status)


@pytest.mark.parametrize("body", [b"no", b"", b'[{"error": "no"}]'])
@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_a_refusal_of_whatever_type_is_one(
    session: KeyedSession, provider: Upstream, second: ProviderKey, body: bytes, kind: str
) -> None:
    refuse_the_first(provider, Answer(402, body, {"Content-Type": kind}))
    assert session.post(TEXT2IMG, json={"prompt": "x"}).json() == OK


def test_where_none_is_taken_the_caller_has_the_last_answer(
    session: KeyedSession, provider: Upstream, second: ProviderKey
) -> None:
    provider.answer(402, NO_CREDITS)
    answer = session.post(TEXT2IMG, json={"prompt": "x"})
    assert (answer.status_code, answer.json()) == (402, NO_CREDITS)
    assert REAL not in repr(vars(answer)) and SECOND not in repr(vars(answer))
    assert (only_call().outcome, only_call().attempts) == ("key_error", 2)


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_good_answer_is_the_same_with_one_key_and_with_two(
    session: KeyedSession, provider: Upstream, second: ProviderKey, size: int
) -> None:
    body = json.dumps({**OK, "output": ["x" * size]}).encode()
    provider.handler = lambda _: Answer(200, body, JSON)
    assert session.post(TEXT2IMG, json={}).content == body
    streamed = session.post(TEXT2IMG, json={}, stream=True)
    assert b"".join(streamed.iter_content(1000)) == body
    raw = session.post(TEXT2IMG, json={}, stream=True).raw
    assert raw.read(7) + raw.read() == body


def test_an_answer_that_breaks_off_breaks_off_for_its_reader(
    session: KeyedSession, provider: Upstream, second: ProviderKey
) -> None:
    def broken() -> object:
        yield b'{"status":'
        raise ConnectionResetError

    provider.handler = lambda _: Answer(200, broken(), JSON)  # type: ignore[arg-type]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.post(TEXT2IMG, json={})
    assert (only_call().outcome, only_call().attempts) == ("network_error", 1)


def test_a_provider_that_was_not_reached_is_tried_with_each_key(
    session: KeyedSession, provider: Upstream, second: ProviderKey
) -> None:
    provider.close()
    with pytest.raises(requests.ConnectionError):
        session.post(TEXT2IMG, json={})
    call = only_call()
    assert (call.outcome, call.attempts) == ("network_error", 2)


def test_a_body_that_can_be_read_once_is_sent_once(
    session: KeyedSession, provider: Upstream, second: ProviderKey
) -> None:
    provider.answer(402, NO_CREDITS)
    png = {"Content-Type": "image/png"}
    assert session.post(TEXT2IMG, data=iter([b"once"]), headers=png).status_code == 402
    assert len(provider.requests) == 1


def test_a_key_that_was_told_to_wait_is_not_asked_meanwhile(
    start_session: Callable[..., KeyedSession], provider: Upstream
) -> None:
    session = start_session()
    provider.answer(429, {"status": "error", "message": "Rate limit", "retry_after": 30})
    assert session.post(TEXT2IMG, json={}).status_code == 429
    with pytest.raises(RateLimited) as caught:
        session.post(TEXT2IMG, json={})
    assert 29 < caught.value.retry_after <= 30
    assert len(provider.requests) == 1


def test_a_key_takes_only_so_many_calls_at_once(
    session: KeyedSession, provider: Upstream, provider_key: ProviderKey
) -> None:
    ProviderKey.objects.update(concurrency=1)
    open_stream = session.get("/api/v7/models", stream=True)
    with pytest.raises(RateLimited, match="at once"):
        session.get("/api/v7/models")
    open_stream.close()
    assert session.get("/api/v7/models").ok


def test_no_answer_shows_a_key_that_was_tried_before(
    session: KeyedSession, provider: Upstream, second: ProviderKey
) -> None:
    def answer(request: Received) -> Answer:
        if SECOND not in request.body.decode():
            return refusal(402)
        return Answer(200, f'"{REAL} {SECOND}"'.encode(), {**JSON, "X-Instead": REAL})

    provider.handler = answer
    response = session.post(TEXT2IMG, json={})
    assert response.json() == "*" * len(REAL) + " " + "*" * len(SECOND)
    assert response.headers["X-Instead"] == "*" * len(REAL)
