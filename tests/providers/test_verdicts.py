"""Every verifier against every way in which a provider may answer its probe, over real sockets."""

import datetime
import ipaddress
import json
import logging
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from keys import probing
from keys.evidence import Evidence
from keys.probing import Case
from keys.providers.base import ProviderSpec
from keys.states import Verdict
from keys.vault import Secret
from tests.providers.test_conformance import HTML, SPECS, family
from tests.providers.words import said_by
from tests.upstream import Answer, Received, Upstream

JSON = {"Content-Type": "application/json"}
DEAD_WORDS = (
    b'{"status": "error", "message": "Invalid API key", "ok": false, "error": "invalid_auth"}'
)
QUICK = (
    "200 good", "200 html", "200 error body", "400", "401", "402", "403", "404", "429", "500",
    "redirect", "reset", "huge body", "bogus key", "bad TLS",
)  # fmt: skip
SLOW = ("time-out", "slow drip")
PATIENCE = 60.0  # seconds: this machine's matter, no provider's
LIMIT = 1.0  # seconds that the slow ones are given


@pytest.fixture
def unsafe(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose certificate nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def _certificate(folder: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Stage:
    """One provider's stand-in for all: it knows by the secret what it is to answer."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.playing: dict[str, tuple[ProviderSpec, str]] = {}
        self.followed: list[str] = []
        upstream.handler = self.answer

    def case(self, spec: ProviderSpec, reply: str, url: str) -> Case:
        secret = f"s3cret-{len(self.playing)}-end"
        self.playing[secret] = (spec, reply)
        return Case(secret, replace(spec, base_url=url, bound_to=""), 1, Secret(secret))

    def answer(self, received: Received) -> Answer:
        text = f"{received.target} {received.headers} {received.body.decode()}"
        secret = next(secret for secret in self.playing if secret in text)
        if received.path == "/elsewhere":
            self.followed.append(secret)
        spec, reply = self.playing[secret]
        return self._played(spec, reply, secret)

    def _played(self, spec: ProviderSpec, reply: str, secret: str) -> Answer:
        good = json.dumps(said_by(family(spec))["200 good"].body).encode()
        if reply == "200 html":
            return Answer(
                200, HTML.replace("Log in", secret).encode(), {"Content-Type": "text/html"}
            )
        if reply == "redirect":
            return Answer(302, DEAD_WORDS, {**JSON, "Location": f"/elsewhere?{secret}"})
        if reply == "reset":
            return Answer(hang_up=True)
        if reply == "huge body":
            return Answer(200, good[:-1] + b', "z": "' + b"z" * 2**20 + b'"}', JSON)
        if reply == "time-out":
            return Answer(200, good, JSON, wait_for=self.upstream._closing)
        if reply == "slow drip":
            return Answer(200, self._drip(), JSON)
        said = said_by(family(spec))[reply]
        body = json.dumps(said.body)
        if reply == "500":
            body = body.replace("Internal error", f"Internal error: {secret}")
        return Answer(said.status, body.encode(), {**JSON, "X-Echo": secret})

    def _drip(self) -> Iterator[bytes]:
        while not self.upstream._closing.wait(0.05):
            yield b" "


def right(spec: ProviderSpec, reply: str) -> Verdict:
    said = said_by(family(spec)).get(reply)
    return said.verdict if said else Verdict.UNKNOWN


@pytest.mark.timeout(900)
def test_every_verifier_reads_every_answer_as_it_is_meant(
    upstream: Upstream, unsafe: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.OUTBOUND_ALLOW = [upstream.host, unsafe]
    stage = Stage(upstream)
    told: dict[str, Evidence] = {}
    for replies, seconds in ((QUICK, PATIENCE), (SLOW, LIMIT)):
        cases = [
            stage.case(spec, reply, f"https://{unsafe}" if reply == "bad TLS" else upstream.url)
            for spec in SPECS
            for reply in replies
        ]
        at_once = 3 if replies is QUICK else len(SLOW)
        told |= {case.key_id: found for case, found in probing.ask_all(cases, at_once, seconds)}
    wrong = [
        f"{spec.slug}, {reply}: {told[secret].meaning}, not {right(spec, reply)}"
        for secret, (spec, reply) in stage.playing.items()
        if told[secret].meaning is not right(spec, reply)
    ]
    replies = (*QUICK, *SLOW)
    print(f"{len(SPECS)} verifiers × {len(replies)} answers: {len(wrong)} wrong")
    assert wrong == []
    assert len(told) == len(SPECS) * len(replies)
    assert stage.followed == []
    for secret, evidence in told.items():
        assert secret not in f"{evidence!r} {evidence.as_json()} {caplog.text}"
    codes = {reply: told[secret].code for secret, (_, reply) in stage.playing.items()}
    assert [codes[reply] for reply in ("reset", "bad TLS", "time-out", "slow drip")] == [
        "reset", "tls", "timeout", "timeout",
    ]  # fmt: skip
