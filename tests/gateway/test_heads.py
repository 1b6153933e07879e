"""A head that is sent again on its connection is read once, and never for another one."""

import socket
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from keys import changes
from keys.models import AppKey, Application
from keys.states import KeyState
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, wait_until
from tests.upstream import Upstream
from usage.gateway.direct import Pair
from usage.gateway.head import KEPT, head_of

pytestmark = pytest.mark.django_db(transaction=True)


class Cycle:
    """What a server offers beyond ASGI, as far as heads ask for it."""

    watcher = None

    def __init__(self) -> None:
        self.connection: dict[str, object] = {}

    def whole_body(self) -> bytes | None:
        return None

    def respond(self, status: int, headers: object, body: bytes) -> bool:
        return False


def scope(path: str = "/gateway/openai/v1/models", query: str = "") -> dict[str, object]:
    return {
        "method": "GET",
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "client": ("127.0.0.1", 1),
    }


def pairs(**named: str) -> list[Pair]:
    return [(name.encode(), value.encode()) for name, value in named.items()]


def test_the_same_head_is_read_once() -> None:
    cycle = Cycle()
    first = head_of(scope(), pairs(accept="*/*"), cycle)
    assert head_of(scope(), pairs(accept="*/*"), cycle) is first


@pytest.mark.parametrize(
    "other",
    [
        (scope(path="/gateway/openai/v1/files"), pairs(accept="*/*")),
        (scope(query="a=1"), pairs(accept="*/*")),
        ({**scope(), "method": "POST"}, pairs(accept="*/*")),
        (scope(), pairs(accept="text/plain")),
        (scope(), pairs(accept="*/*", authorization="Bearer x")),
    ],
    ids=["path", "query", "method", "value", "header more"],
)
def test_another_head_is_another(other: tuple[dict[str, object], list[Pair]]) -> None:
    cycle = Cycle()
    first = head_of(scope(), pairs(accept="*/*"), cycle)
    assert head_of(*other, cycle) is not first
    assert head_of(scope(), pairs(accept="*/*"), cycle) is not first


def test_a_long_head_is_not_kept() -> None:
    cycle = Cycle()
    head_of(scope(), pairs(accept="x" * KEPT), cycle)
    assert not cycle.connection


def test_other_trusted_proxies_read_it_anew(settings: object) -> None:
    cycle = Cycle()
    said = pairs(**{"x-forwarded-for": "203.0.113.7"})
    assert head_of(scope(), said, cycle).address == "127.0.0.1"
    settings.TRUSTED_PROXIES = ["127.0.0.1"]  # type: ignore[attr-defined]
    assert head_of(scope(), said, cycle).address == "203.0.113.7"


@pytest.fixture
def line(gateway: Server) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", urlsplit(gateway.url).port), 25)) as made:
        yield made


def call(line: socket.socket, key: str, body: str) -> int:
    """The status of one call on a kept connection."""
    head = (
        f"POST /gateway/modelslab{TEXT2IMG} HTTP/1.1\r\nHost: here\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    line.sendall((head + body).encode())
    came = b""
    while b"\r\n\r\n" not in came:
        came += line.recv(65536)
    found, _, rest = came.partition(b"\r\n\r\n")
    length = int(found.lower().partition(b"content-length:")[2].split()[0])
    while len(rest) < length:
        rest += line.recv(65536)
    return int(found.split()[1])


def test_each_call_of_a_connection_sends_its_own_body_and_minds_its_own_key(
    line: socket.socket, provider: Upstream, application: Application, key: str
) -> None:
    other: str = AppKeyFactory(application=application, methods=["GET"]).plaintext
    bodies = ['{"n": 1}', '{"n": 22}', '{"n": 333}']
    assert [call(line, key, body) for body in bodies] == [200] * 3
    assert call(line, other, '{"n": 4}') == 403
    assert call(line, key, '{"n": 5}') == 200
    assert [seen.json()["n"] for seen in provider.requests] == [1, 22, 333, 5]


def test_a_key_that_is_revoked_is_refused_on_the_connection_that_used_it(
    line: socket.socket, app_key: AppKey, key: str
) -> None:
    assert call(line, key, "{}") == 200
    AppKey.objects.filter(pk=app_key.pk).update(state=KeyState.REVOKED)
    changes.bump()
    assert wait_until(lambda: call(line, key, "{}") == 401)
