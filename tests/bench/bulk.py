"""One large upload or download over a plain socket, in constant memory."""

import json
import socket

PIECE = bytes(1024 * 1024)
_TIME = 120.0  # seconds without a byte


def upload(port: int, head: str, size: int) -> int:
    """Sends `size` bytes behind `head`; how many the upstream says it received."""
    with socket.create_connection(("127.0.0.1", port), _TIME) as line:
        line.sendall(head.encode("latin-1"))
        left = size
        while left:
            piece = PIECE[:left]
            line.sendall(piece)
            left -= len(piece)
        status, length, body = _head(line)
        while len(body) < length:
            body += line.recv(65536)
    assert status == 200, (status, body)
    return int(json.loads(body)["received"])


def download(port: int, request: str) -> int:
    """How many bytes of a body came."""
    with socket.create_connection(("127.0.0.1", port), _TIME) as line:
        line.sendall(request.encode("latin-1"))
        status, length, body = _head(line)
        came, room = len(body), bytearray(1024 * 1024)
        while came < length and (count := line.recv_into(room)):
            came += count
    assert status == 200, (status, body)
    return came


def _head(line: socket.socket) -> tuple[int, int, bytes]:
    """Status, announced length, and what came of the body."""
    came = b""
    while b"\r\n\r\n" not in came:
        part = line.recv(65536)
        assert part, "the line broke off"
        came += part
    head, _, body = came.partition(b"\r\n\r\n")
    fields = dict(one.lower().split(b": ", 1) for one in head.split(b"\r\n")[1:])
    return int(head[9:12]), int(fields.get(b"content-length", b"0")), body
