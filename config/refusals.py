"""What the server itself says where no app is asked: not yet a request, or past its bounds."""

import json
from typing import Any

from uuid_utils import uuid7

MALFORMED = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\nconnection: close\r\n\r\n"
    b"Invalid HTTP request received."
)
TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\nconnection: close\r\n\r\n"
    b"The request head is too large."
)


async def busy(scope: Any, receive: Any, send: Any) -> None:
    """503 in the gateway's own words (DESIGN section 7), where the server has bare text."""
    request_id, message = str(uuid7()), "Keydeck cannot take this call now"
    error = {"message": message, "type": "api_error", "code": "unavailable"}
    said = {"status": "error", "message": message, "request_id": request_id, "error": error}
    body = json.dumps(said).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"retry-after", b"1"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
