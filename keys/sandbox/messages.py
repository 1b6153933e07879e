"""What comes in and what goes out, between the server and the three shapes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs

import orjson


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in one piece, or (`events`) a stream of server-sent events."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    events: tuple[bytes, ...] = ()


class Refusal(StrEnum):
    """Why a request is refused; each shape says it in its own words."""

    MISSING_KEY = "missing_key"
    INVALID_KEY = "invalid_key"
    CREDITS = "credits"
    PLAN = "plan"
    LIMITED = "limited"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    NOT_FOUND = "not_found"
    METHOD = "method"
    BAD_REQUEST = "bad_request"


RETRY_AFTER = 30  # seconds


def answer_json(status: int, data: Any, *headers: tuple[bytes, bytes]) -> Answer:
    return Answer(status, orjson.dumps(data), headers=headers)


def server_sent(data: Any, event: str = "") -> bytes:
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + orjson.dumps(data) + b"\n\n"


@dataclass(slots=True)
class Incoming:
    """A request as received. `credentials` are the key and every place it was found in."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    data: dict[str, Any] = field(default_factory=dict)
    credentials: list[tuple[str, str]] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.credentials[0][1] if self.credentials else ""

    @property
    def origin(self) -> str:
        return "http://" + self.headers.get("host", "127.0.0.1")

    def text(self) -> str:
        """The prompt, or the text of all messages."""
        prompt = self.data.get("prompt")
        if isinstance(prompt, str):
            return prompt
        messages = self.data.get("messages")
        if not isinstance(messages, list):
            return ""
        contents = (m.get("content") for m in messages if isinstance(m, dict))
        return "\n".join(c if isinstance(c, str) else str(c) for c in contents if c)


def read(
    method: str,
    path: str,
    query: bytes,
    raw_headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
) -> Incoming:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw_headers}
    parsed = parse_qs(query.decode("latin-1")) if query else {}
    incoming = Incoming(
        method, path, headers, {name: values[-1] for name, values in parsed.items()}, body
    )
    incoming.data = _members(headers.get("content-type", ""), body)
    incoming.credentials = list(_credentials(incoming))
    return incoming


_FORM_MEMBER = re.compile(rb'name="([^"]+)"(?:\r\n[^\r\n]+)*\r\n\r\n(.*?)\r\n--', re.DOTALL)


def _members(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type.startswith("application/x-www-form-urlencoded"):
        form = parse_qs(body.decode("utf-8", "replace"))
        return {name: values[-1] for name, values in form.items()}
    if content_type.startswith("multipart/form-data"):
        found = _FORM_MEMBER.findall(body)
        return {n.decode("utf-8", "replace"): v.decode("utf-8", "replace") for n, v in found}
    try:
        data = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) else {}


def _credentials(incoming: Incoming) -> Iterable[tuple[str, str]]:
    """(place, key), the place a provider of this kind looks at first coming first."""
    if isinstance(key := incoming.data.get("key"), str) and key:
        yield "body", key
    scheme, _, text = incoming.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text.strip():
        yield "bearer", text.strip()
    for name in ("x-api-key", "key", "x-goog-api-key"):
        if text := incoming.headers.get(name, "").strip():
            yield name, text
    if text := incoming.query.get("key", ""):
        yield "query", text
