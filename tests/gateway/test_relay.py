"""A call goes out with the real key and comes back as the provider answered it."""

import threading

from keys.models import AppKey, ProviderKey
from tests.gateway.conftest import REAL, TEXT2IMG
from tests.gateway.serving import Server, stored_call, wait_until
from tests.upstream import Answer, Upstream
from usage.models import Call


def test_the_real_key_takes_the_app_keys_place(
    gateway: Server, provider: Upstream, key: str
) -> None:
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "a lighthouse", "width": 512})
    assert response.status_code == 200
    assert response.json()["output"] == ["https://cdn.test/7.png"]
    (received,) = provider.requests
    assert received.target == TEXT2IMG
    assert received.json() == {"key": REAL, "prompt": "a lighthouse", "width": 512}
    assert key not in str(received)


def test_a_call_is_recorded_with_both_keys(
    gateway: Server, app_key: AppKey, provider_key: ProviderKey, key: str
) -> None:
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"})
    call = stored_call(response)
    assert (call.app_key, call.app_key_version) == (app_key.id, 1)
    assert (call.provider_key, call.provider_key_version) == (provider_key.id, 1)
    assert (call.application, call.provider) == (app_key.application_id, "modelslab")
    assert (call.method, call.endpoint, call.source) == ("POST", TEXT2IMG, "gateway")
    assert (call.outcome, call.status, call.attempts) == ("ok", 200, 1)
    assert (call.bytes_in, call.bytes_out) == (len(response.request.body), len(response.content))
    assert 0 < call.first_byte_ms <= call.latency_ms
    assert call.address == "127.0.0.1"


def test_a_providers_error_passes_through_and_is_classified(
    gateway: Server, provider: Upstream, key: str
) -> None:
    body = {"status": "error", "message": "Insufficient credits. Please add more credits."}
    provider.answer(402, body)
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"})
    assert (response.status_code, response.json()) == (402, body)
    call = stored_call(response)
    assert (call.outcome, call.code) == ("key_error", "key_exhausted")
    assert call.message.startswith("Insufficient credits")


def test_an_error_that_quotes_a_deeply_nested_request_passes_through(
    gateway: Server, provider: Upstream, key: str
) -> None:
    quoted: object = 1
    for _ in range(220):
        quoted = {"a": [quoted]}
    body = {"detail": [{"msg": "Input should be valid", "input": quoted}]}
    provider.answer(422, body)
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": quoted})
    assert (response.status_code, response.json()) == (422, body)
    call = stored_call(response)
    assert (call.outcome, call.message[:26]) == ("caller_error", "msg: Input should be valid")


def test_an_error_inside_http_200_is_an_error(
    gateway: Server, provider: Upstream, key: str
) -> None:
    provider.answer(200, {"status": "error", "message": "Invalid Api Key"})
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"})
    assert response.status_code == 200
    call = stored_call(response)
    assert (call.outcome, call.code, call.status) == ("key_error", "key_invalid", 200)


def test_the_real_key_is_masked_in_answers_and_headers(
    gateway: Server, provider: Upstream, key: str
) -> None:
    provider.answer(200, {"meta": {"key": REAL}}, headers={"X-Echo": f"key {REAL}"})
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"})
    assert response.json() == {"meta": {"key": "*" * len(REAL)}}
    assert response.headers["X-Echo"] == "key " + "*" * len(REAL)


def test_the_real_key_is_masked_across_chunks(
    gateway: Server, provider: Upstream, key: str
) -> None:
    first_seen = threading.Event()

    def chunks() -> object:
        yield b"data: " + REAL[:20].encode()
        first_seen.wait(60)
        yield REAL[20:].encode() + b" end\n\n"

    provider.handler = lambda _: Answer(200, chunks(), {"Content-Type": "text/event-stream"})
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"}, stream=True)
    parts = response.iter_content(None)
    assert next(parts) == b"data: "
    first_seen.set()
    assert b"".join(parts) == b"*" * len(REAL) + b" end\n\n"


def test_a_stream_arrives_before_the_provider_ends_it(
    gateway: Server, provider: Upstream, key: str
) -> None:
    seen = threading.Event()

    def events() -> object:
        yield b'data: {"n": 1}\n\n'
        assert seen.wait(60)
        yield b'data: {"usage": {"prompt_tokens": 3, "completion_tokens": 5}}\n\ndata: [DONE]\n\n'

    provider.handler = lambda _: Answer(200, events(), {"Content-Type": "text/event-stream"})
    path = "/api/v7/llm/chat/completions"
    headers = {"Authorization": f"Bearer {key}"}
    response = gateway.post(path, json={"stream": True}, headers=headers, stream=True)
    parts = response.iter_content(None)
    assert next(parts) == b'data: {"n": 1}\n\n'
    seen.set()
    assert b"".join(parts).endswith(b"data: [DONE]\n\n")
    call = stored_call(response)
    assert (call.outcome, call.tokens_in, call.tokens_out) == ("ok", 3, 5)


def test_a_caller_who_hangs_up_stops_the_provider(
    gateway: Server, provider: Upstream, key: str
) -> None:
    stopped = threading.Event()

    def endless() -> object:
        try:
            while True:
                yield b": ping\n\n"
                threading.Event().wait(0.02)
        finally:
            stopped.set()

    provider.handler = lambda _: Answer(200, endless(), {"Content-Type": "text/event-stream"})
    response = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"}, stream=True)
    next(response.iter_content(None))
    response.close()
    assert stopped.wait(60)
    assert stored_call(response).outcome == "aborted"


def test_large_bodies_of_other_types_stream_both_ways(
    gateway: Server, provider: Upstream, key: str
) -> None:
    sent = bytes(range(256)) * 4096 * 3
    provider.handler = lambda got: Answer(200, got.body, {"Content-Type": "audio/mpeg"})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "audio/mpeg"}
    response = gateway.post("/api/v7/llm/transcribe", data=sent, headers=headers)
    assert response.content == sent
    assert response.headers["Content-Length"] == str(len(sent))
    assert provider.requests[0].header("Authorization") == f"Bearer {REAL}"
    call = stored_call(response)
    assert (call.bytes_in, call.bytes_out) == (len(sent), len(sent))


def test_a_chunked_request_body_is_read(gateway: Server, provider: Upstream, key: str) -> None:
    body = iter([b'{"key": "', key.encode(), b'", "prompt": "x"}'])
    response = gateway.post(TEXT2IMG, data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    assert provider.requests[0].json() == {"key": REAL, "prompt": "x"}


def test_links_back_to_the_provider_are_turned(
    gateway: Server, provider: Upstream, key: str
) -> None:
    body = '{{"status":"processing","id":9,"fetch_result":"{}","output":["{}"]}}'.format(
        f"{provider.url}/api/v6/images/fetch/9".replace("/", "\\/"),
        f"{provider.url}/output/9.png",
    )
    provider.answer(200, body, headers={"Content-Type": "application/json"})
    answer = gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"}).json()
    assert answer["fetch_result"] == f"{gateway.url}/gateway/modelslab/api/v6/images/fetch/9"
    assert answer["output"] == [f"{provider.url}/output/9.png"]
    provider.answer(200, {"status": "success", "id": 9, "output": []})
    fetched = gateway.session.post(answer["fetch_result"], json={"key": key})
    assert fetched.json()["status"] == "success"
    assert provider.requests[-1].json() == {"key": REAL}


def test_a_redirect_is_not_followed_but_turned(
    gateway: Server, provider: Upstream, key: str
) -> None:
    provider.answer(307, b"", headers={"Location": f"{provider.url}/api/elsewhere"})
    response = gateway.post(TEXT2IMG, json={"key": key}, allow_redirects=False)
    assert response.status_code == 307
    assert response.headers["Location"] == f"{gateway.url}/gateway/modelslab/api/elsewhere"
    assert len(provider.requests) == 1


def test_headers_of_the_admin_origin_never_pass(
    gateway: Server, provider: Upstream, key: str
) -> None:
    provider.answer(
        200, {"status": "success"}, headers={"Set-Cookie": "session=theirs", "X-Custom": "kept"}
    )
    response = gateway.post(
        TEXT2IMG,
        json={"key": key},
        headers={"Cookie": "session=ours", "X-Forwarded-For": "10.1.1.1", "Forwarded": "for=x"},
    )
    (received,) = provider.requests
    assert received.header("Cookie") is None
    assert received.header("X-Forwarded-For") is None
    assert received.header("Forwarded") is None
    assert received.header("Accept-Encoding") == "identity"
    assert "Set-Cookie" not in response.headers
    assert response.headers["X-Custom"] == "kept"
    assert response.headers["Content-Security-Policy"] == "sandbox"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_head_and_an_empty_answer_keep_their_form(
    gateway: Server, provider: Upstream, key: str
) -> None:
    url = f"{gateway.url}/gateway/modelslab/api/v7/models"
    response = gateway.session.head(url, params={"key": key})
    assert (response.status_code, response.content) == (200, b"")
    assert provider.requests[0].query == [("key", REAL)]
    provider.answer(204)
    assert gateway.get("/api/v7/models", params={"key": key}).status_code == 204


def test_every_answer_that_arrived_is_in_the_ledger(gateway: Server, key: str) -> None:
    ids = {
        gateway.post(TEXT2IMG, json={"key": key, "prompt": str(n)}).headers["X-Request-Id"]
        for n in range(20)
    }
    assert len(ids) == 20
    wait_until(lambda: Call.objects.count() == 20)
    assert {str(call.id) for call in Call.objects.all()} == ids
