"""Reading the bodies of providers' answers: errors of every shape, and what a call used. Pure."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import orjson

MESSAGE_LIMIT = 500  # characters; readers clip further
DEEPEST = 8  # values inside values that a message is put together from
# A provider may lie, and the ledger adds up: what no call uses is no count.
MOST_TOKENS = 2**40
MOST_DOLLARS = 10_000
USAGE_WITHIN = 4096  # bytes from the end of JSON that is looked at in part
USAGE_PARTS = 20  # objects inside a usage
MOST_BALANCE = 10**12
NANOS = 10**9  # of a dollar; some models' tokens cost less than a millionth


class Cost(NamedTuple):
    """Where a provider reports what a call cost: a member of its usage, `per_dollar` to the
    US dollar."""

    member: str
    per_dollar: int = 1


class Usage(NamedTuple):
    """What a call used. `cost_nanos`: billionths of a US dollar; 0 where none is reported."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_nanos: int = 0


class Balance(NamedTuple):
    """What an account or a key may still spend. `currency`: its code, empty where not said."""

    amount: float
    currency: str = ""


class Answer(NamedTuple):
    """A body: its JSON value, or None. `broken`: JSON was due and something else came."""

    data: Any = None
    html: bool = False
    broken: bool = False
    events: tuple[dict[str, Any], ...] = ()  # of a server-sent stream, as far as it was kept
    end: dict[str, Any] | None = None  # the last usage in JSON of which not all was kept


def parse(content_type: str, body: bytes) -> Answer:
    """The answer in `body`. An empty body says nothing; media (image, audio) is never broken."""
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/json" and body[:1] == b"{":
        try:
            return Answer(orjson.loads(body))
        except orjson.JSONDecodeError:
            return Answer(broken=True, end=_usage_at_end(body))
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
        return Answer(broken=media.endswith("json"), end=_usage_at_end(body))


def _usage_at_end(body: bytes) -> dict[str, Any] | None:
    """Of JSON with its middle left out: embeddings and pictures are long, and tell it last."""
    found = [*_USAGE.finditer(body, max(0, len(body) - USAGE_WITHIN))]
    end = start = found[-1].end() - 1 if found else -1
    for _ in range(USAGE_PARTS if found else 0):
        end = body.find(b"}", end) + 1
        if not end:
            break
        with suppress(orjson.JSONDecodeError):
            return {"usage": orjson.loads(body[start:end])}
    return None


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


def _flat(value: Any, left: int = DEEPEST) -> str:
    if isinstance(value, dict | list) and not left:
        return "…"  # some quote the request, which its caller may nest as deep as recursion goes
    if isinstance(value, dict):
        if value.get("message"):
            return _flat(value["message"], left - 1)
        return "; ".join(f"{name}: {_flat(item, left - 1)}" for name, item in value.items())
    if isinstance(value, list):
        return " ".join(_flat(item, left - 1) for item in value)
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


def usage(answer: Answer, cost: Cost | None = None) -> Usage:
    """Tokens, in OpenAI's, Anthropic's or Google's words, and cost, of a body or a stream."""
    if not answer.events:
        return _used(answer.end or answer.data, cost)
    found = [_used(answer.data, cost), *(_used(event, cost) for event in answer.events)]
    # A stream repeats its counts, each time the whole so far.
    return Usage(*map(max, zip(*found, strict=True)))


def _used(data: Any, cost: Cost | None) -> Usage:
    if not isinstance(data, dict):
        return Usage()
    told = data.get("usage") or data.get("usageMetadata")  # Google's name
    if not isinstance(told, dict):
        nested = data.get("message") or data.get("response")  # message_start, response.completed
        told = nested.get("usage") if isinstance(nested, dict) else None
    if not isinstance(told, dict):
        return Usage()
    into = _count(told, "prompt_tokens", "input_tokens", "promptTokenCount")
    # Anthropic counts cached input beside input_tokens, OpenAI inside.
    into += _count(told, "cache_creation_input_tokens") + _count(told, "cache_read_input_tokens")
    out = _count(told, "completion_tokens", "output_tokens", "candidatesTokenCount")
    out += _count(told, "thoughtsTokenCount")
    return Usage(into, out, _nanos(told.get(cost.member), cost.per_dollar) if cost else 0)


def _count(told: dict[str, Any], *names: str) -> int:
    for name in names:
        value = told.get(name)
        if isinstance(value, int) and 0 <= value < MOST_TOKENS:
            return value
    return 0


def _nanos(value: Any, per_dollar: int) -> int:
    if type(value) not in (int, float) or not 0 < value <= MOST_DOLLARS * per_dollar:
        return 0
    nanos: int = round(value * NANOS / per_dollar)
    return nanos


def balance(amount: Any, currency: Any = "") -> Balance | None:
    """The balance that a provider tells, as a number or its text; None where that is none."""
    if isinstance(amount, str) and _AMOUNT.fullmatch(amount):
        amount = float(amount)
    if type(amount) not in (int, float) or not -MOST_BALANCE <= amount <= MOST_BALANCE:
        return None
    known = isinstance(currency, str) and _CURRENCY.fullmatch(currency)
    return Balance(float(amount), currency.upper() if known else "")


_USAGE = re.compile(rb'"usage(?:Metadata)?"\s*:\s*\{')  # never in a text: its marks are escaped
_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
