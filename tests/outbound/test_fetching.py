"""One exchange through the door: bounded in time and size, never redirected, telling no secret."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from keys.outbound import Blocked, OutboundError, PinnedAdapter, Reply, ask, client, fetch
from keys.outbound.errors import Reason
from tests.live import free_port
from tests.upstream import Upstream

CANARY = "canary-secret-in-flight"


def reason_of(call: Callable[[], object]) -> Reason:
    with pytest.raises(OutboundError) as caught:
        call()
    told = "".join(traceback.format_exception(caught.value))
    assert CANARY not in told
    assert "http" not in str(caught.value)
    return caught.value.reason


@pytest.fixture
def raw() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """`raw(serve)`: a server on 127.0.0.1 that does `serve(socket)` with its one visitor."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(serve: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            try:
                visitor, _ = listener.accept()
                with visitor:
                    serve(visitor)
            except OSError:
                pass  # the visitor went away, as it should

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes a thread that still waits
        listener.close()
    for thread in threads:
        thread.join(60)


def drip(sock: socket.socket, text: bytes) -> None:
    """One byte every 50 ms, until the visitor goes."""
    sock.recv(4096)
    while True:
        for byte in text[:1]:
            sock.sendall(bytes([byte]))
        text = text[1:] or text
        time.sleep(0.05)


def test_an_exchange_brings_status_headers_body_and_time(
    upstream: Upstream, settings: Settings
) -> None:
    settings.OUTBOUND_ALLOW = [upstream.host]
    upstream.answer(201, {"a": 1}, headers={"X-Seen": "yes"})
    reply = fetch("POST", f"{upstream.url}/v1?x=1", headers={"X-Key": "é"}, body=b"{}")
    assert (reply.status, reply.body, reply.headers["x-seen"]) == (201, b'{"a": 1}', "yes")
    assert 0 < reply.latency_ms < 10_000
    sent = upstream.requests[0]
    assert (sent.method, sent.target, sent.body) == ("POST", "/v1?x=1", b"{}")


def test_an_address_that_was_not_allowed_is_never_connected_to(upstream: Upstream) -> None:
    with pytest.raises(Blocked):
        fetch("GET", f"{upstream.url}/")
    with pytest.raises(Blocked):
        fetch("GET", f"http://localhost:{upstream.port}/")
    assert upstream.requests == []


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]"]
)
def test_no_spelling_of_an_address_gets_past_the_check(upstream: Upstream, host: str) -> None:
    with pytest.raises((Blocked, OutboundError)):
        fetch("GET", f"http://{host}:{upstream.port}/")
    assert upstream.requests == []


def test_a_name_is_allowed_by_itself_or_by_its_address(
    upstream: Upstream, settings: Settings
) -> None:
    for allowed in (f"localhost:{upstream.port}", upstream.host):
        settings.OUTBOUND_ALLOW = [allowed, f"[::1]:{upstream.port}"]
        assert fetch("GET", f"http://localhost:{upstream.port}/").status == 200
    assert upstream.requests[0].header("host") == f"localhost:{upstream.port}"


def test_a_name_that_changes_its_address_is_checked_at_the_connection(
    upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTBOUND_ALLOW = [f"8.8.8.8:{upstream.port}"]
    answers = iter(["8.8.8.8", "127.0.0.1"])
    asked: list[str] = []

    def rebind(host: str, port: int, *args: object, **options: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    connected: list[tuple[str, int]] = []

    def connect(sock: socket.socket, target: tuple[str, int]) -> None:
        connected.append(target)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    monkeypatch.setattr(socket.socket, "connect", connect)
    url = f"http://rebind.example.com:{upstream.port}/"
    assert reason_of(lambda: fetch("GET", url)) == "connect"
    assert connected == [("8.8.8.8", upstream.port)]  # the address that was looked at
    with pytest.raises(Blocked):
        fetch("GET", url)
    assert asked == ["rebind.example.com"] * 2  # once a connection


def test_a_redirect_is_an_answer(upstream: Upstream, settings: Settings) -> None:
    settings.OUTBOUND_ALLOW = [upstream.host]
    upstream.answer(302, b"", headers={"Location": f"{upstream.url}/elsewhere"})
    assert fetch("GET", f"{upstream.url}/").status == 302
    assert len(upstream.requests) == 1


def test_the_surroundings_have_no_say(
    upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.OUTBOUND_ALLOW = [upstream.host]
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    fetch("GET", f"{upstream.url}/")
    assert upstream.requests[0].header("authorization") is None


def test_the_configured_proxy_is_used(upstream: Upstream, settings: Settings) -> None:
    settings.OUTBOUND_PROXY = upstream.url
    settings.OUTBOUND_ALLOW = ["api.example.com:80"]
    fetch("GET", "http://api.example.com/me")
    assert upstream.requests[0].target == "http://api.example.com/me"
    with pytest.raises(Blocked):
        fetch("GET", "http://10.0.0.1/me")
    with pytest.raises(Blocked):
        fetch("GET", "https://10.0.0.1/me")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machines_own_are_not_asked_through_the_proxy(
    upstream: Upstream, settings: Settings, host: str
) -> None:
    settings.OUTBOUND_PROXY = "http://127.0.0.1:1"
    settings.OUTBOUND_ALLOW = [f"{host}:{upstream.port}"]
    assert fetch("GET", f"http://{host}:{upstream.port}/me").status == 200
    assert upstream.requests[0].target == "/me"


def test_a_body_is_read_up_to_its_limit(upstream: Upstream, settings: Settings) -> None:
    settings.OUTBOUND_ALLOW = [upstream.host]
    upstream.answer(200, (b"x" * 1024 for _ in range(10_000)))
    assert fetch("GET", f"{upstream.url}/", limit_bytes=5000).body == b"x" * 5000


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 400,
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc",
    ],
    ids=["headers", "body with a length", "body without one"],
)
def test_a_slow_drip_ends_at_the_deadline(
    raw: Callable[[Callable[[socket.socket], None]], str], settings: Settings, head: bytes
) -> None:
    def serve(sock: socket.socket) -> None:
        cut = head.index(b"\r\n\r\n") + 4 if b"\r\n\r\n" in head else len(head) - 400
        sock.sendall(head[:cut])
        drip(sock, head[cut:])

    host = raw(serve)
    settings.OUTBOUND_ALLOW = [host]
    started = time.monotonic()
    url = f"http://{host}/"
    assert reason_of(lambda: fetch("GET", url, headers={"K": CANARY}, timeout=0.6)) == "timeout"
    assert time.monotonic() - started > 0.5  # and it came to an end, which the drip never does


def test_silence_is_a_timeout(
    raw: Callable[[Callable[[socket.socket], None]], str], settings: Settings
) -> None:
    def listen(sock: socket.socket) -> None:
        while sock.recv(4096):
            pass

    host = raw(listen)
    settings.OUTBOUND_ALLOW = [host]
    assert reason_of(lambda: fetch("GET", f"http://{host}/", timeout=0.4)) == "timeout"


def test_a_resolver_that_hangs_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait() or [])
    url = "https://api.example.com/"
    assert reason_of(lambda: fetch("GET", url, timeout=0.3)) == "timeout"
    never.set()


def test_every_other_failure_has_its_word(
    raw: Callable[[Callable[[socket.socket], None]], str],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut = raw(lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"))
    gone = raw(lambda sock: None)
    plain = raw(lambda sock: sock.sendall(b"not tls at all"))
    nobody = f"127.0.0.1:{free_port()}"
    settings.OUTBOUND_ALLOW = [cut, gone, plain, nobody]
    query = f"/?key={CANARY}"
    assert reason_of(lambda: fetch("GET", f"http://{cut}{query}")) == "reset"
    assert reason_of(lambda: fetch("GET", f"http://{gone}{query}")) == "reset"
    assert reason_of(lambda: fetch("GET", f"https://{plain}{query}")) == "tls"
    assert reason_of(lambda: fetch("GET", f"http://{nobody}{query}")) == "connect"
    bad = {"K": f"{CANARY}\n"}
    assert reason_of(lambda: fetch("GET", f"http://{nobody}/", headers=bad)) == "connect"

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert reason_of(lambda: fetch("GET", f"https://nowhere.example.com{query}")) == "connect"


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for `name`, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


@pytest.mark.parametrize(
    ("name", "trusted", "expected"),
    [("localhost", True, None), ("other.example.com", True, "tls"), ("localhost", False, "tls")],
)
def test_tls_is_held_to_the_name_although_the_address_is_pinned(
    raw: Callable[[Callable[[socket.socket], None]], str],
    settings: Settings,
    tmp_path: Path,
    name: str,
    trusted: bool,
    expected: Reason | None,
) -> None:
    cert, key = certificate(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def serve(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as secure:
            secure.recv(4096)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    port = raw(serve).partition(":")[2]
    settings.OUTBOUND_ALLOW = [f"localhost:{port}"]
    settings.OUTBOUND_CA = str(cert) if trusted else ""
    if expected:
        assert reason_of(lambda: fetch("GET", f"https://localhost:{port}/")) == expected
    else:
        assert fetch("GET", f"https://localhost:{port}/").body == b"ok"


def test_a_plain_session_keeps_its_connections_through_the_adapter(
    upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTBOUND_ALLOW = [upstream.host]
    looked_up: list[object] = []
    real = socket.getaddrinfo

    def count(*args: object, **options: object) -> object:
        looked_up.append(args)
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", count)
    with requests.Session() as session:
        session.mount("http://", PinnedAdapter())
        for _ in range(3):
            assert session.get(f"{upstream.url}/", verify=False).status_code == 200
        with pytest.raises(Blocked):
            session.get("http://10.0.0.1:1/")
    assert len([call for call in looked_up if call[0] == "127.0.0.1"]) == 1  # type: ignore[index]


def announce_without_end(sock: socket.socket) -> None:
    sock.recv(4096)
    while True:
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def ask_once(method: str, url: str, timeout: float = 10.0) -> Reply:
    """As a probe does."""

    async def once() -> Reply:
        lines = client()
        try:
            return await ask(
                lines, method, url, headers={}, body=None, timeout=timeout, limit_bytes=64
            )
        finally:
            await lines.close()

    return asyncio.run(once())


@pytest.mark.parametrize("way", [fetch, ask_once])
def test_interim_answers_have_an_end(
    raw: Callable[..., str], settings: Settings, way: Callable[..., Reply]
) -> None:
    host = raw(announce_without_end)
    settings.OUTBOUND_ALLOW = [host]
    assert reason_of(lambda: way("GET", f"http://{host}/", timeout=60.0)) == "reset"


@pytest.mark.parametrize("way", [fetch, ask_once])
def test_a_few_interim_answers_are_passed_over(
    raw: Callable[..., str], settings: Settings, way: Callable[..., Reply]
) -> None:
    def serve(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 3)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    host = raw(serve)
    settings.OUTBOUND_ALLOW = [host]
    reply = way("GET", f"http://{host}/")
    assert (reply.status, reply.body) == (200, b"{}")
