"""Mail over a real server: whom it refuses keeps nobody else from being told."""

import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from usage.alerts.sending import Message, send_mail

MESSAGE = Message(
    id="m1",
    kind="test",
    alerts=[
        {
            "kind": "test",
            "rule": "Test",
            "title": "A test",
            "since": "2026-09-21T14:13:20+00:00",
            "until": None,
            "evidence": "",
            "cause": "",
            "remedy": "",
            "url": "http://testserver/alerts/",
        }
    ],
)


class Server(socketserver.ThreadingTCPServer):
    """Takes mail for everybody but those who are named with a code."""

    daemon_threads = True
    refuses: dict[str, int]
    taken: list[str]


class Talk(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        recipient = ""
        while line := self.rfile.readline().decode().strip():
            verb, answer = line[:4].upper(), "250 fine"
            if verb == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
                code = self.server.refuses.get(recipient, 250)
                answer = f"{code} about {recipient}"
            elif verb == "DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() != b".\r\n":
                    pass
                self.server.taken.append(recipient)
            elif verb == "QUIT":
                answer = "221 bye"
            self.wfile.write(f"{answer}\r\n".encode())


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Talk) as made:
        made.refuses, made.taken = {}, []
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = made.server_address[:2]
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


PEOPLE = ["ann@example.com", "bob@example.com", "eve@example.com"]


@pytest.mark.parametrize(
    ("refuses", "ok", "told"),
    [
        ({}, True, "3 mails handed over"),
        ({"ann@example.com": 550}, True, "2 mails handed over, 1 refused (550)"),
        ({"bob@example.com": 450}, False, "2 mails handed over, 1 refused (450)"),
        (dict.fromkeys(PEOPLE, 550), False, "0 mails handed over, 3 refused (550)"),
    ],
)
def test_whom_the_server_refuses_keeps_nobody_else_from_being_told(
    server: Server, refuses: dict[str, int], ok: bool, told: str
) -> None:
    server.refuses = refuses
    attempt = send_mail(PEOPLE, MESSAGE)
    assert (attempt.ok, attempt.answer) == (ok, told)
    assert server.taken == [person for person in PEOPLE if person not in refuses]


def test_a_fault_names_nobody(server: Server, settings: Any) -> None:
    server.shutdown()
    server.server_close()
    attempt = send_mail(PEOPLE, MESSAGE)
    assert not attempt.ok
    assert attempt.answer == "ConnectionRefusedError: Connection refused"
