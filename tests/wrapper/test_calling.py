"""A KeyedSession is a requests.Session whose calls carry the key and are recorded."""

import os
import pickle
import threading
from collections.abc import Callable

import pytest
import requests

from keys.models import ProviderKey
from tests.upstream import Answer, Upstream
from tests.wrapper.conftest import REAL, TEXT2IMG, only_call
from usage.client import KeyedSession
from usage.models import Call


def test_a_path_is_joined_and_the_key_put_in(session: KeyedSession, provider: Upstream) -> None:
    response = session.post(TEXT2IMG, json={"prompt": "a lighthouse"})
    assert response.json()["status"] == "success"
    (received,) = provider.requests
    assert received.target == TEXT2IMG
    assert received.json() == {"prompt": "a lighthouse", "key": REAL}


def test_the_providers_absolute_url_is_taken(session: KeyedSession, provider: Upstream) -> None:
    assert session.get(f"{provider.url}/api/v7/models?page=2").ok
    assert dict(provider.requests[0].query) == {"page": "2", "key": REAL}


def test_one_event_is_recorded_per_call(session: KeyedSession, provider_key: ProviderKey) -> None:
    response = session.post(TEXT2IMG, json={"prompt": "x"})
    call = only_call()
    assert (call.source, call.caller) == ("wrapper", "nightly-batch")
    assert (call.application, call.app_key) == (provider_key.application_id, "")
    assert (call.provider, call.provider_key) == ("modelslab", provider_key.id)
    assert (call.method, call.endpoint) == ("POST", TEXT2IMG)
    assert (call.outcome, call.status, call.attempts) == ("ok", 200, 1)
    assert call.bytes_out == len(response.content)
    assert 0 < call.first_byte_ms <= call.latency_ms


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code"),
    [
        (401, {"status": "error", "message": "Invalid API key"}, "key_error", "key_invalid"),
        (200, {"status": "error", "message": "Invalid API key"}, "key_error", "key_invalid"),
        (402, {"status": "error", "message": "Insufficient credits"}, "key_error", "key_exhausted"),
        (400, {"status": "error", "message": "prompt is required"}, "caller_error", "caller_error"),
        (500, {"status": "error", "message": "Oh"}, "upstream_error", "upstream_error"),
    ],
)
def test_a_providers_error_is_a_response_and_classified(
    session: KeyedSession,
    provider: Upstream,
    status: int,
    body: dict[str, str],
    outcome: str,
    code: str,
) -> None:
    provider.answer(status, body)
    response = session.post(TEXT2IMG, json={"prompt": "x"})
    assert (response.status_code, response.json()) == (status, body)
    call = only_call()
    assert (call.outcome, call.code, call.status) == (outcome, code, status)


def test_the_key_is_nowhere_in_the_response(session: KeyedSession, provider: Upstream) -> None:
    echoed = {"X-Echo": REAL, "Set-Cookie": f"echo={REAL}"}
    provider.answer(200, {"echo": REAL}, headers=echoed)
    session.hooks["response"].append(_remember)
    for response in (
        session.post(TEXT2IMG, json={"prompt": "x"}),
        session.get("/api/v7/models"),
    ):
        assert response.json() == {"echo": "*" * len(REAL)}
        assert response.url == response.request.url == _seen.pop(0)
        assert REAL not in str(vars(response.request)) + str(vars(response.raw._raw))
        assert REAL not in str(response.headers) + str(response.cookies) + response.url
        assert REAL.encode() not in pickle.dumps(response)


_seen: list[str] = []


def _remember(response: requests.Response, **_: object) -> None:
    _seen.append(response.request.url or "")


def test_a_stream_is_recorded_when_its_body_is_read(
    session: KeyedSession, provider: Upstream
) -> None:
    events = [b'data: {"usage": {"prompt_tokens": 2, "completion_tokens": 4}}\n\n', b"data: x\n\n"]
    provider.handler = lambda _: Answer(200, iter(events), {"Content-Type": "text/event-stream"})
    with session.post("/api/v7/llm/chat/completions", json={"stream": True}, stream=True) as got:
        assert Call.objects.count() == 0
        assert b"".join(got.iter_content(None)) == b"".join(events)
    call = only_call()
    assert (call.outcome, call.tokens_in, call.tokens_out) == ("ok", 2, 4)


def test_tokens_of_a_long_answer_are_read_from_its_end(
    session: KeyedSession, provider: Upstream
) -> None:
    provider.answer(200, {"data": ["x" * 1000] * 200, "usage": {"prompt_tokens": 8}})
    session.post("/api/v7/llm/embeddings", json={"input": "x"})
    call = only_call()
    assert (call.outcome, call.tokens_in) == ("ok", 8)


def test_a_stream_closed_before_its_end_is_aborted(
    session: KeyedSession, provider: Upstream
) -> None:
    go = threading.Event()

    def events() -> object:
        yield b"data: 1\n\n"
        go.wait(60)

    provider.handler = lambda _: Answer(200, events(), {"Content-Type": "text/event-stream"})
    with session.post(TEXT2IMG, json={"prompt": "x"}, stream=True) as response:
        assert next(response.iter_content(None)) == b"data: 1\n\n"
    go.set()
    assert only_call().outcome == "aborted"


def test_no_redirect_is_followed(session: KeyedSession, provider: Upstream) -> None:
    provider.answer(302, headers={"Location": "/api/elsewhere"})
    response = session.get("/api/v7/models", allow_redirects=True)
    assert response.status_code == 302
    assert len(provider.requests) == 1


def test_no_proxy_is_taken_from_the_environment(
    session: KeyedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert session.get("/api/v7/models").ok


def test_a_mounted_adapter_cannot_send_past_the_record(session: KeyedSession) -> None:
    session.mount("http://", requests.adapters.HTTPAdapter())
    assert session.post(TEXT2IMG, json={"prompt": "x"}).ok
    assert only_call().outcome == "ok"


def test_threads_share_a_session(session: KeyedSession, provider: Upstream) -> None:
    def work() -> None:
        for _ in range(5):
            assert session.post(TEXT2IMG, json={"prompt": "x"}).ok

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(provider.requests) == 30
    from_drain = threading.Event()
    while Call.objects.count() < 30:
        assert not from_drain.wait(0.05)
    assert Call.objects.filter(outcome="ok").count() == 30


def test_a_session_survives_a_fork(
    session: KeyedSession, provider: Upstream, start_session: Callable[..., KeyedSession]
) -> None:
    assert session.post(TEXT2IMG, json={"prompt": "parent"}).ok
    child = os.fork()
    if child == 0:
        try:
            ok = session.post(TEXT2IMG, json={"prompt": "child"}).ok
        finally:
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert session.post(TEXT2IMG, json={"prompt": "parent again"}).ok
    assert [got.json()["prompt"] for got in provider.requests] == [
        "parent",
        "child",
        "parent again",
    ]
