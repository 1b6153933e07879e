"""A provider that costs next to nothing, so that what is measured is what stands before it.

`python -m tests.bench.upstream PORT`. The last segment of a path says what is answered, whatever
stands before it: `json` a canned answer of 1 KB, `sse?chunks=50&delay=0` a stream (`delay` in
milliseconds between chunks), `sink` the number of bytes received, `blob?bytes=N` a download.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qsl

import httptools
import uvloop

PIECE = bytes(64 * 1024)
_FIXED = {
    "id": "chatcmpl-bench",
    "object": "chat.completion",
    "model": "bench",
    "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
}


def _head(kind: str, length: int | None) -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{framing}\r\n\r\n".encode()


def _answer(size: int) -> bytes:
    """A chat completion that is exactly `size` bytes long."""

    def written(text: str) -> bytes:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}}
        return json.dumps({**_FIXED, "choices": [choice]}).encode()

    body = written("x" * (size - len(written(""))))
    return _head("application/json", len(body)) + body


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


ANSWER = _answer(1024)
EVENT = _chunk(b'data: {"choices": [{"index": 0, "delta": {"content": "word "}}]}\n\n')
LAST = _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
STREAM = _head("text/event-stream", None)


class Provider(asyncio.Protocol):
    """One connection; one request at a time, as proxies send them."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._url = b""
        self._received = 0
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._sending: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._may_write.set()
        if self._later is not None:
            self._later.cancel()
        if self._sending is not None:
            self._sending.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def on_url(self, url: bytes) -> None:
        self._url = url
        self._received = 0

    def on_body(self, body: bytes) -> None:
        self._received += len(body)

    def on_message_complete(self) -> None:
        path, _, query = self._url.partition(b"?")
        if path.endswith(b"/json"):
            self._transport.write(ANSWER)
            return
        said = {name: int(value) for name, value in parse_qsl(query.decode())}
        if path.endswith(b"/sse"):
            self._transport.write(STREAM + EVENT)
            self._go_on(said["chunks"] - 1, said["delay"] / 1000)
        elif path.endswith(b"/sink"):
            body = json.dumps({"received": self._received}).encode()
            self._transport.write(_head("application/json", len(body)) + body)
        elif path.endswith(b"/blob"):
            self._sending = self._loop.create_task(self._send(said["bytes"]))
        else:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")

    def _go_on(self, left: int, delay: float) -> None:
        if not delay:
            self._transport.write(EVENT * left + LAST)
        elif left:
            self._later = self._loop.call_later(delay, self._next, left, delay)
        else:
            self._transport.write(LAST)

    def _next(self, left: int, delay: float) -> None:
        self._transport.write(EVENT)
        self._go_on(left - 1, delay)

    async def _send(self, left: int) -> None:
        self._transport.write(_head("application/octet-stream", left))
        while left:
            await self._may_write.wait()
            piece = PIECE[:left]
            self._transport.write(piece)
            left -= len(piece)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
