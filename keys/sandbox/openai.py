"""OpenAI's shape: models, chat completions (in one piece and streamed), embeddings."""

from typing import Any

from keys.sandbox.messages import (
    RETRY_AFTER,
    Answer,
    Incoming,
    Refusal,
    answer_json,
    server_sent,
)

REPLY = "Hello from the sandbox provider."
MODELS = ("sandbox-small", "sandbox-large")
ASKED_DOLLARS, ANSWERED_DOLLARS = 1.5e-7, 6e-7  # per token, as a small model costs
_CREATED = 1_700_000_000

# status, error type, code, message
_WORDS = {
    Refusal.MISSING_KEY: (401, "invalid_request_error", None, "You didn't provide an API key."),
    Refusal.INVALID_KEY: (
        401,
        "invalid_request_error",
        "invalid_api_key",
        "Incorrect API key provided.",
    ),
    Refusal.CREDITS: (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    Refusal.PLAN: (
        403,
        "invalid_request_error",
        "insufficient_permissions",
        "You have insufficient permissions for this operation. Missing scopes: model.request.",
    ),
    Refusal.LIMITED: (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    Refusal.SERVER_ERROR: (
        500,
        "server_error",
        None,
        "The server had an error while processing your request.",
    ),
    Refusal.UNAVAILABLE: (503, "server_error", None, "The engine is currently overloaded."),
    Refusal.NOT_FOUND: (404, "invalid_request_error", "unknown_url", "Unknown request URL."),
    Refusal.METHOD: (405, "invalid_request_error", None, "Not allowed on this URL."),
    Refusal.BAD_REQUEST: (
        400,
        "invalid_request_error",
        "missing_required_parameter",
        "Missing required parameter: 'messages'.",
    ),
}


def refuse(refusal: Refusal, message: str = "") -> Answer:
    status, kind, code, words = _WORDS[refusal]
    error = {"message": message or words, "type": kind, "param": None, "code": code}
    if refusal is Refusal.LIMITED:
        return answer_json(
            status, {"error": error}, (b"retry-after", str(RETRY_AFTER).encode("ascii"))
        )
    return answer_json(status, {"error": error})


def succeed(incoming: Incoming) -> Answer:
    if incoming.path == "/v1/models":
        return models()
    if incoming.method != "POST":
        return refuse(Refusal.NOT_FOUND)
    if incoming.path == "/v1/chat/completions":
        has_messages = bool(incoming.data.get("messages"))
        return chat(incoming) if has_messages else refuse(Refusal.BAD_REQUEST)
    if incoming.path == "/v1/embeddings":
        return _embeddings(incoming)
    return refuse(Refusal.NOT_FOUND)


def models() -> Answer:
    listed = [
        {"id": name, "object": "model", "created": _CREATED, "owned_by": "sandbox"}
        for name in MODELS
    ]
    return answer_json(200, {"object": "list", "data": listed})


def tokens(text: str) -> int:
    return max(1, len(text) // 4)


def _usage(incoming: Incoming) -> dict[str, float]:
    asked, answered = tokens(incoming.text()), tokens(REPLY)
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        # In OpenRouter's words, in dollars: OpenAI and ModelsLab report none.
        "cost": round(asked * ASKED_DOLLARS + answered * ANSWERED_DOLLARS, 9),
    }


def chat(incoming: Incoming) -> Answer:
    model = incoming.data.get("model") or incoming.data.get("model_id") or MODELS[0]
    head = {"id": "chatcmpl-sandbox", "created": _CREATED, "model": model}
    if incoming.data.get("stream") is True:
        return _stream(incoming, head)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": REPLY},
        "finish_reason": "stop",
    }
    whole = {"object": "chat.completion", "choices": [choice], "usage": _usage(incoming)}
    return answer_json(200, head | whole)


def _stream(incoming: Incoming, head: dict[str, Any]) -> Answer:
    head = head | {"object": "chat.completion.chunk"}

    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return server_sent(head | {"choices": [choice]})

    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"content": word + " "}) for word in REPLY.split()]
    events.append(chunk({}, "stop"))
    options = incoming.data.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        events.append(server_sent(head | {"choices": [], "usage": _usage(incoming)}))
    events.append(b"data: [DONE]\n\n")
    return Answer(200, content_type=b"text/event-stream", events=tuple(events))


def _embeddings(incoming: Incoming) -> Answer:
    given = incoming.data.get("input")
    if not given:
        return refuse(Refusal.BAD_REQUEST, "Missing required parameter: 'input'.")
    texts = given if isinstance(given, list) else [given]
    data = [
        {"object": "embedding", "index": index, "embedding": [0.1, 0.2, 0.3]}
        for index in range(len(texts))
    ]
    asked = tokens(" ".join(str(text) for text in texts))
    usage = {"prompt_tokens": asked, "total_tokens": asked}
    return answer_json(
        200, {"object": "list", "data": data, "model": incoming.data.get("model"), "usage": usage}
    )
