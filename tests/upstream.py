"""A real HTTP server on 127.0.0.1 for tests: says what it is told, keeps what it was sent."""

import json
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.live import PATIENCE


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    method: str
    target: str  # path and query, raw
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """The header's first value."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What to say. A body of bytes goes out at once, an iterable in chunks as it comes."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait_for: threading.Event | None = None  # hold the answer until then
    hang_up: bool = False  # close the connection without an answer


class Upstream:
    """`answer(...)` programs it, `requests` tells what came; `handler` decides anything else."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.handler: Callable[[Received], Answer | None] | None = None
        self._answers: dict[str, Answer] = {}
        self._connections: set[socket.socket] = set()
        self._arrived = threading.Condition()
        self._closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def answer(
        self,
        status: int = 200,
        body: Any = b"",
        *,
        path: str = "*",
        headers: dict[str, str] | None = None,
        wait_for: threading.Event | None = None,
        hang_up: bool = False,
    ) -> None:
        """What `path` ("*": every other path) answers from now on; a dict or list is JSON."""
        sent = dict(headers or {})
        if isinstance(body, dict | list):
            sent.setdefault("Content-Type", "application/json")
            body = json.dumps(body).encode()
        elif isinstance(body, str):
            body = body.encode()
        self._answers[path] = Answer(status, body, sent, wait_for, hang_up)

    def answer_to(self, received: Received) -> Answer:
        with self._arrived:
            self.requests.append(received)
            self._arrived.notify_all()
        found = self.handler(received) if self.handler else None
        answer = found or self._answers.get(received.path) or self._answers.get("*") or Answer()
        while answer.wait_for and not answer.wait_for.wait(0.02) and not self._closing.is_set():
            pass
        return answer

    def wait_for_requests(self, count: int, timeout: float = PATIENCE) -> None:
        """Return when `count` requests have come; fails after `timeout` seconds."""
        with self._arrived:
            came = self._arrived.wait_for(lambda: len(self.requests) >= count, timeout)
        assert came, f"{len(self.requests)} of {count} requests came"

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # gone already
        self._server.server_close()  # waits for the connections' threads


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is none of the test's noise."""

    def process_request(self, request: Any, client_address: Any) -> None:
        self.upstream._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.upstream._connections.discard(request)
        super().shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        received = Received(self.command, self.path, list(self.headers.items()), self._read_body())
        answer = self.server.upstream.answer_to(received)
        if answer.hang_up:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in answer.body:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: Any) -> None:
        pass
