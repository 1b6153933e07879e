"""Reading the bodies of providers' answers: the families of error shapes and token counts. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

MESSAGE_LIMIT = 500  # characters; readers clip further


class Answer(NamedTuple):
    """A body: its JSON value, or None. `broken`: JSON was due and something else came."""

    data: Any = None
    html: bool = False
    broken: bool = False
    events: tuple[dict[str, Any], ...] = ()  # of a server-sent stream, as far as it was kept


def parse(content_type: str, body: bytes) -> Answer:
    """The answer in `body`. An empty body says nothing; media (image, audio) is never broken."""
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/json" and body[:1] == b"{":
        try:
            return Answer(orjson.loads(body))
        except orjson.JSONDecodeError:
            return Answer(broken=True)
    if not body.strip():
        return Answer(html=media == "text/html")
    if media == "text/event-stream":
        return Answer(events=tuple(_events(body)))
    if media == "text/html" or body.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        return Answer(html=True, broken=True)
    if media and not media.startswith("text/") and not media.endswith("json"):
        return Answer()
    try:
        return Answer(orjson.loads(body))
    except orjson.JSONDecodeError:
        return Answer(broken=media.endswith("json"))


def _events(body: bytes) -> Iterator[dict[str, Any]]:
    for line in body.splitlines():
        if not line.startswith(b"data:"):
            continue
        try:
            data = orjson.loads(line[5:])
        except orjson.JSONDecodeError:
            continue  # [DONE], or a line cut in two
        if isinstance(data, dict):
            yield data


def said(answer: Answer) -> Any:
    """The value that speaks for the answer; of a stream, or a list, what reports an error."""
    if isinstance(answer.data, dict):
        return answer.data
    listed = answer.data if isinstance(answer.data, list) else []
    return next((value for value in (*answer.events, *listed[:1]) if is_error(value)), answer.data)


def is_error(data: Any) -> bool:
    """Whether a JSON body is an error whatever its status: ModelsLab's `status`, or `error`."""
    if not isinstance(data, dict):
        return False
    status = data.get("status")
    return status in ("error", "failed") or (not status and bool(data.get("error")))


def message(data: Any) -> str:
    """The provider's words: `message`, `messege`, `error`, `detail`, as text or nested."""
    if not isinstance(data, dict):
        return ""
    for name in ("message", "messege", "error", "detail", "error_description", "errors"):
        if data.get(name):
            return _flat(data[name])[:MESSAGE_LIMIT]
    return ""


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        if value.get("message"):
            return _flat(value["message"])
        return "; ".join(f"{name}: {_flat(item)}" for name, item in value.items())
    if isinstance(value, list):
        return " ".join(_flat(item) for item in value)
    return str(value)


def code(data: Any) -> str:
    """The provider's error code: `error.code`, `error.type`, `code` or `detail.status`."""
    if not isinstance(data, dict):
        return ""
    error = data.get("error")
    found = (error.get("code") or error.get("type")) if isinstance(error, dict) else None
    detail = data.get("detail")
    found = found or data.get("code") or (detail.get("status") if isinstance(detail, dict) else "")
    return str(found)[:60] if isinstance(found, str | int) else ""


def tokens(answer: Answer) -> tuple[int, int]:
    """Tokens in and out, in OpenAI's, Anthropic's or Google's words, of a body or a stream."""
    if not answer.events:
        return _usage(answer.data)
    found = [_usage(answer.data), *(_usage(event) for event in answer.events)]
    # A stream repeats its counts, each time the whole so far.
    return max(into for into, _ in found), max(out for _, out in found)


def _usage(data: Any) -> tuple[int, int]:
    if not isinstance(data, dict):
        return 0, 0
    usage = data.get("usage") or data.get("usageMetadata")  # Google's name
    if not isinstance(usage, dict):
        nested = data.get("message") or data.get("response")  # message_start, response.completed
        usage = nested.get("usage") if isinstance(nested, dict) else None
    if not isinstance(usage, dict):
        return 0, 0
    into = _count(usage, "prompt_tokens", "input_tokens", "promptTokenCount")
    # Anthropic counts cached input beside input_tokens, OpenAI inside.
    into += _count(usage, "cache_creation_input_tokens") + _count(usage, "cache_read_input_tokens")
    out = _count(usage, "completion_tokens", "output_tokens", "candidatesTokenCount")
    return into, out + _count(usage, "thoughtsTokenCount")


def _count(usage: dict[str, Any], *names: str) -> int:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and 0 <= value < 2**53:
            return value
    return 0
