"""Anthropic's shape: models, messages (in one piece and streamed), token counts."""

from keys.sandbox.messages import (
    RETRY_AFTER,
    Answer,
    Incoming,
    Refusal,
    answer_json,
    server_sent,
)
from keys.sandbox.openai import MODELS, REPLY, tokens

# status, error type, message
_WORDS = {
    Refusal.MISSING_KEY: (401, "authentication_error", "x-api-key header is required"),
    Refusal.INVALID_KEY: (401, "authentication_error", "invalid x-api-key"),
    Refusal.CREDITS: (402, "billing_error", "Your credit balance is too low."),
    Refusal.PLAN: (
        403,
        "permission_error",
        "Your API key does not have permission to use the specified resource.",
    ),
    Refusal.LIMITED: (429, "rate_limit_error", "This request would exceed your rate limit."),
    Refusal.SERVER_ERROR: (500, "api_error", "Internal server error"),
    Refusal.UNAVAILABLE: (529, "overloaded_error", "Overloaded"),
    Refusal.NOT_FOUND: (404, "not_found_error", "Not found"),
    Refusal.METHOD: (405, "invalid_request_error", "Method Not Allowed"),
    Refusal.BAD_REQUEST: (400, "invalid_request_error", "messages: Field required"),
}


def refuse(refusal: Refusal, message: str = "") -> Answer:
    status, kind, words = _WORDS[refusal]
    error = {"type": "error", "error": {"type": kind, "message": message or words}}
    if refusal is Refusal.LIMITED:
        return answer_json(status, error, (b"retry-after", str(RETRY_AFTER).encode("ascii")))
    return answer_json(status, error)


def succeed(incoming: Incoming) -> Answer:
    if incoming.path == "/v1/models":
        return _models()
    if incoming.method != "POST":
        return refuse(Refusal.METHOD)
    if not incoming.data.get("messages"):
        return refuse(Refusal.BAD_REQUEST)
    if incoming.path == "/v1/messages":
        return message(incoming)
    if incoming.path == "/v1/messages/count_tokens":
        return count_tokens(incoming)
    return refuse(Refusal.NOT_FOUND)


def _models() -> Answer:
    listed = [
        {
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": "2025-01-01T00:00:00Z",
        }
        for name in MODELS
    ]
    return answer_json(
        200, {"data": listed, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
    )


def count_tokens(incoming: Incoming) -> Answer:
    return answer_json(200, {"input_tokens": tokens(incoming.text())})


def message(incoming: Incoming) -> Answer:
    whole = {
        "id": "msg_sandbox",
        "type": "message",
        "role": "assistant",
        "model": incoming.data.get("model") or MODELS[0],
        "content": [{"type": "text", "text": REPLY}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": tokens(incoming.text()), "output_tokens": tokens(REPLY)},
    }
    if incoming.data.get("stream") is not True:
        return answer_json(200, whole)
    return _stream(whole, tokens(incoming.text()))


def _stream(whole: dict[str, object], asked: int) -> Answer:
    empty: dict[str, object] = {
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": asked, "output_tokens": 1},
    }
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": whole | empty},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": word + " "},
            }
            for word in REPLY.split()
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": tokens(REPLY)},
        },
        {"type": "message_stop"},
    ]
    return Answer(
        200,
        content_type=b"text/event-stream",
        events=tuple(server_sent(event, str(event["type"])) for event in events),
    )
