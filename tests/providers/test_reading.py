"""What answers say: by status and by body, HTTP 200 included."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.providers.anthropic import ANTHROPIC
from keys.providers.base import Kind, ProviderSpec
from keys.providers.modelslab import MODELSLAB
from keys.providers.openai import OPENAI
from keys.providers.openrouter import OPENROUTER
from keys.providers.registry import BUILT_IN

TEXT2IMG = "/api/v6/images/text2img"


def read(status: int, body: Any, *, complete: bool = True) -> Kind:
    text = json.dumps(body).encode()
    return MODELSLAB.read(status, "application/json", text, path=TEXT2IMG, complete=complete).kind


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "prompt is required", Kind.CALLER_ERROR),
        (400, "Model not found: foo", Kind.CALLER_ERROR),
        (400, "width must be between 256 and 1024", Kind.CALLER_ERROR),
        (400, "Unable to fetch image from provided URL", Kind.CALLER_ERROR),
        (401, "Invalid API key", Kind.KEY_INVALID),
        (401, "API key required", Kind.KEY_INVALID),
        (402, "Insufficient credits. Please add more credits to continue.", Kind.KEY_EXHAUSTED),
        (403, "This feature requires a premium subscription", Kind.KEY_LIMITED),
        (403, "Feature not available", Kind.KEY_LIMITED),
        (429, "Rate limit exceeded. Maximum 5 queued requests allowed.", Kind.RATE_LIMITED),
        (500, "Internal server error. Please try again.", Kind.UPSTREAM_ERROR),
        (503, "Service temporarily unavailable. Please try again later.", Kind.UPSTREAM_ERROR),
    ],
)
def test_modelslab_documented_errors_read_the_same_under_their_status_and_under_200(
    status: int, message: str, kind: Kind
) -> None:
    body = {"status": "error", "message": message}
    assert read(status, body) is kind
    assert read(200, body) is kind
    assert read(200, {"status": "error", "messege": message}) is kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"status": "success", "output": ["https://cdn/x.png"]}, Kind.OK),
        ({"status": "processing", "eta": 416.94, "messege": "Try to fetch request"}, Kind.OK),
        ({"status": "error", "message": "Invalid Api Key", "tip": "x"}, Kind.KEY_INVALID),
        ({"status": "error", "message": "Invalid API Request", "tip": "key"}, Kind.CALLER_ERROR),
        ({"status": "failed", "id": "", "message": "Failed, Try Again"}, Kind.UPSTREAM_ERROR),
        ({"status": "failed", "message": "Request not found"}, Kind.CALLER_ERROR),
        ({"status": "error", "message": {"prompt": ["is required."]}}, Kind.CALLER_ERROR),
        ({"status": "error", "message": "You are out of credits"}, Kind.KEY_EXHAUSTED),
        ({"status": "error", "message": "Your subscription has expired"}, Kind.KEY_EXHAUSTED),
        ({"status": "error", "message": "Rate limit exceeded"}, Kind.RATE_LIMITED),
        ({"status": "error"}, Kind.CALLER_ERROR),
        ({"data": None, "error": {"code": "x", "message": "Unauthenticated."}}, Kind.KEY_INVALID),
        (
            {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Provide a valid API key."}},
            Kind.KEY_INVALID,
        ),
        ([{"model_id": "flux"}], Kind.OK),
        ({"choices": [], "error": None}, Kind.OK),
    ],
    ids=str,
)
def test_modelslab_200_is_read_by_its_body(body: Any, kind: Kind) -> None:
    assert read(200, body) is kind


def test_an_object_for_a_message_becomes_a_sentence() -> None:
    body = b'{"status": "error", "message": {"prompt": ["The prompt field is required."]}}'
    reading = MODELSLAB.read(200, "application/json", body)
    assert reading.message == "prompt: The prompt field is required."
    assert reading.code == "caller_error"


@pytest.mark.parametrize(
    "spec", [spec for spec in BUILT_IN if spec.json_due], ids=lambda spec: spec.slug
)
def test_html_and_broken_json_where_json_is_due_are_the_providers_fault(
    spec: ProviderSpec,
) -> None:
    page = spec.read(200, "text/html", b"<html>hello</html>")
    assert (page.kind, page.message) == (
        Kind.UPSTREAM_ERROR,
        "A web page came instead of JSON",
    )
    assert spec.read(200, "application/json", b'{"a": ').kind is Kind.UPSTREAM_ERROR
    assert spec.read(200, "application/json", b'{"a": ', complete=False).kind is Kind.OK
    assert spec.read(200, "image/png", b"\x89PNG").kind is Kind.OK
    assert spec.read(200, "text/event-stream", b"").kind is Kind.OK
    assert spec.read(200, "application/json", b"").kind is Kind.OK


def test_tokens_are_counted_in_both_dialects() -> None:
    openai = b'{"usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}'
    reading = OPENAI.read(200, "application/json", openai)
    assert (reading.tokens_in, reading.tokens_out) == (9, 3)
    anthropic = b'{"usage": {"input_tokens": 9, "cache_read_input_tokens": 5, "output_tokens": 3}}'
    reading = ANTHROPIC.read(200, "application/json", anthropic)
    assert (reading.tokens_in, reading.tokens_out) == (14, 3)


def test_tokens_of_a_stream_are_its_last_count() -> None:
    stream = (
        b'event: message_start\ndata: {"message": {"usage": {"input_tokens": 7}}}'
        b'\n\ndata: {"usage": {"output_tokens": 42}}\n\ndata: [DONE]\n\ndata: {"cut'
    )
    reading = ANTHROPIC.read(200, "text/event-stream", stream)
    assert (reading.kind, reading.tokens_in, reading.tokens_out) == (Kind.OK, 7, 42)


@pytest.mark.parametrize("spaces", ["", " "])
def test_tokens_of_a_long_body_are_read_from_its_end(spaces: str) -> None:
    told = f'"usage"{spaces}:{spaces}{{"prompt_tokens": 8, "details": {{"a": {{}}}}, "cost": 0.5}}'
    body = b'{"data": [0.1, 0.\n\n2, "\\"usage\\": {}"], ' + told.encode() + b', "id": {"b": 1}}'
    reading = OPENROUTER.read(200, "application/json", body, complete=False)
    assert (reading.kind, reading.tokens_in, reading.cost_nanos) == (Kind.OK, 8, 500_000_000)


@pytest.mark.parametrize(
    "end",
    [
        b'"usage": {',
        b'"usage": {"prompt_tokens": 8',
        b'"usage": {"prompt_tokens": nonsense}}',
        b'"usage": "prompt_tokens"}',
        b'"\\"usage\\": {\\"prompt_tokens\\": 8}"}',
        b'"usage": {"a":' * 300 + b"}" * 300,
        b'"usage": {"prompt_tokens": 8}, "more": "' + b"x" * 5000,
    ],
)
def test_an_end_that_tells_no_usage_tells_none(end: bytes) -> None:
    reading = OPENAI.read(200, "application/json", b'{"data": [0.\n\n' + end, complete=False)
    assert (reading.kind, reading.tokens_in) == (Kind.OK, 0)


def test_an_error_inside_a_stream_is_an_error() -> None:
    stream = b'data: {"status": "error", "message": "out of credits"}\n\n'
    reading = MODELSLAB.read(200, "text/event-stream", stream)
    assert (reading.kind, reading.message) == (Kind.KEY_EXHAUSTED, "out of credits")


@given(
    status=st.integers(100, 599),
    content_type=st.sampled_from(["application/json", "text/html", "", "text/event-stream", "x"]),
    body=st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["status", "message", "messege", "error", "usage", "cost", "code", "data"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_any_answer_reads_without_an_error(status: int, content_type: str, body: bytes) -> None:
    for spec in BUILT_IN:
        reading = spec.read(status, content_type, body)
        assert reading.tokens_in >= 0
        assert reading.cost_nanos >= 0
        assert len(reading.message) <= 500
        probed = spec.read_probe(status, content_type, body)
        assert probed.kind is not Kind.OK or status == 200


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/api/v6/images/text2img", "/api/v6/images/text2img"),
        ("/api/v6/images/fetch/66752945", "/api/v6/images/fetch/{id}"),
        ("/api/v1/runs/0191b2a4-7d1c-7b3a-9f00-8c1d2e3f4a5b", "/api/v1/runs/{id}"),
        ("/v1/files/file-4Xk29fjQm20Zab81PqLm77tR", "/v1/files/{id}"),
        ("/v1/models/claude-3-5-sonnet-20241022", "/v1/models/claude-3-5-sonnet-20241022"),
        ("/v1/models/gpt-4o-mini?key=secret", "/v1/models/gpt-4o-mini"),
        ("/kd_live_0123456789AB_abcdefghij0123456789abcdefghij01234567", "/{id}"),
    ],
)
def test_endpoints_group_calls_whatever_their_ids(path: str, endpoint: str) -> None:
    assert MODELSLAB.endpoint_of(path) == endpoint


def test_an_endpoint_is_never_longer_than_its_column() -> None:
    assert len(MODELSLAB.endpoint_of("/x" * 500)) == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/v3/buy_subscription",
        "/api/v3/Buy_Subscription/",
        "/api/v3/dreambooth/buy_model",
        "/api/v3/delete%5Fimage",
        "/api/v6/assets_generated",
        "/api/v5/clear_cache",
        "/api/v1/enterprise/text2img/restart_server",
        "/api/agents/v1/api-keys",
        "/mcp/agents",
        "/api/v3/buy_subscription;a=1",
        "/api/v3/BUY_subscription%3Bx/",
        "/api/v3/%62uy_subscription%20",
        "/api;x/agents%20/v1",
        "/index.php/api/agents",
    ],
)
def test_what_would_harm_the_whole_account_is_denied(path: str) -> None:
    assert MODELSLAB.denied("POST", path)


def test_ordinary_endpoints_are_not_denied() -> None:
    assert not MODELSLAB.denied("POST", TEXT2IMG)
    assert not MODELSLAB.denied("POST", "/mcp/v7")
    assert not MODELSLAB.denied("POST", "/api/v6/agents")
    assert not OPENAI.denied("POST", "/v1/chat/completions")
