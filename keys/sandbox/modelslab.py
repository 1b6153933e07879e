"""ModelsLab's shape: generation, fetch, wallet and the OpenAI-like endpoints below /api/v7/llm."""

import re

from keys.sandbox import anthropic, openai
from keys.sandbox.behaviour import Act, Behaviour
from keys.sandbox.messages import RETRY_AFTER, Answer, Incoming, Refusal, answer_json
from keys.sandbox.state import State

_GENERATION = re.compile(r"/api/(v[3-8]|v1/enterprise)/")
_FETCH = re.compile(r"/fetch(?:/(\d+))?$")
_LLM = "/api/v7/llm"
# Any of these stands in for a prompt: the endpoints that work on a file don't ask for one.
_SOURCES = ("prompt", "image", "init_image", "init_audio", "init_video", "audio", "video", "url")

WORDS = {
    Refusal.MISSING_KEY: (401, "API key required"),
    Refusal.INVALID_KEY: (401, "Invalid API key"),
    Refusal.CREDITS: (402, "Insufficient credits. Please add more credits to continue."),
    Refusal.PLAN: (403, "This feature requires a premium subscription"),
    Refusal.LIMITED: (429, "Rate limit exceeded. Maximum 5 queued requests allowed."),
    Refusal.SERVER_ERROR: (500, "Internal server error. Please try again."),
    Refusal.UNAVAILABLE: (503, "Service temporarily unavailable. Please try again later."),
    Refusal.NOT_FOUND: (404, "Not found"),
    Refusal.METHOD: (405, "The method is not supported for this route."),
    Refusal.BAD_REQUEST: (400, "prompt is required"),
}


def refuse(refusal: Refusal, message: str = "") -> Answer:
    status, words = WORDS[refusal]
    data: dict[str, object] = {"status": "error", "message": message or words}
    if refusal is Refusal.LIMITED:
        data["retry_after"] = RETRY_AFTER
    return answer_json(status, data)


def succeed(incoming: Incoming, behaviour: Behaviour, state: State) -> Answer:
    path = incoming.path
    if path.startswith(_LLM):
        return _llm(incoming)
    if path == "/api/wallet_balance":
        balance = {"balance": 43.6, "currency": "USD"}
        return answer_json(200, {"status": "success", "data": balance})
    if not _GENERATION.match(path):
        return refuse(Refusal.NOT_FOUND)
    if path.endswith("/processing/request_count"):
        return answer_json(200, {"status": "success", "processing_count": 0})
    if incoming.method != "POST":
        return refuse(Refusal.METHOD)
    if found := _FETCH.search(path):
        return _fetch(incoming, found[1] or str(incoming.data.get("request_id", "")), state)
    if not any(incoming.data.get(name) for name in _SOURCES):
        return refuse(Refusal.BAD_REQUEST)
    if behaviour.act is Act.ASYNC:
        return _processing(incoming, state.start_job(incoming.key, int(behaviour.number_or(1))))
    return answer_json(200, _generated(incoming, state.next_number()))


def _llm(incoming: Incoming) -> Answer:
    path = incoming.path.removeprefix(_LLM)
    if path in ("/models", "/v1/models"):
        return openai.models()
    if incoming.method != "POST":
        return refuse(Refusal.METHOD)
    if not incoming.data.get("messages"):
        return refuse(Refusal.BAD_REQUEST, "messages is required")
    if path in ("/chat/completions", "/v1/chat/completions"):
        return openai.chat(incoming)
    if path == "/v1/messages":
        return anthropic.message(incoming)
    if path == "/v1/messages/count_tokens":
        return anthropic.count_tokens(incoming)
    return refuse(Refusal.NOT_FOUND)


def _generated(incoming: Incoming, number: int) -> dict[str, object]:
    meta = {name: value for name, value in incoming.data.items() if name != "key"}
    return {
        "status": "success",
        "generationTime": 0.01,
        "id": number,
        "output": [f"{incoming.origin}/output/{number}.png"],
        "proxy_links": [f"{incoming.origin}/output/{number}.png"],
        "nsfw_content_detected": False,
        "webhook_status": "",
        "meta": meta,
        "tip": "This picture comes from the sandbox provider.",
    }


def _processing(incoming: Incoming, number: int) -> Answer:
    fetch = incoming.path.rsplit("/", 1)[0] + f"/fetch/{number}"
    return answer_json(
        200,
        {
            "status": "processing",
            "tip": "Your request is being processed. You can fetch it later.",
            "eta": 1,
            "message": "Try to fetch request after seconds estimated",
            "webhook_status": "",
            "fetch_result": incoming.origin + fetch,
            "id": number,
            "output": [],
            "meta": {},
            "future_links": [f"{incoming.origin}/output/{number}.png"],
        },
    )


def _fetch(incoming: Incoming, text: str, state: State) -> Answer:
    number = int(text) if text.isdigit() else 0
    job = state.jobs.get(number)
    if job is None or job.key != incoming.key:  # an id belongs to the account that got it
        failed = {"status": "failed", "id": "", "message": "Request not found", "output": ""}
        return answer_json(200, failed)
    if job.fetches_left > 0:
        job.fetches_left -= 1
        waiting = {"status": "processing", "id": number, "message": "Try again later", "output": ""}
        return answer_json(200, waiting)
    link = f"{incoming.origin}/output/{number}.png"
    done = {"status": "success", "id": number, "output": [link], "proxy_links": [link]}
    return answer_json(200, done)
