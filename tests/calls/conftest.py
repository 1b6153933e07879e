"""Stored calls by the thousand, and the ASGI application asked without a server."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django.db import transaction
from django.utils import timezone

from config.bodies import bounded
from keys.models import AppKey, Application, ProviderKey, User
from tests.factories import ApiTokenFactory, AppKeyFactory, ProviderKeyFactory
from tests.ledger.conftest import make_event
from usage.events import CallEvent
from usage.ingest.kinds import Gathered, Row
from usage.ingest.sink import SINK
from usage.spool.records import END, encode
from usage.streaming import streamed

AGO = timedelta(minutes=30)


@pytest.fixture
def app_key(application: Application) -> AppKey:
    return AppKeyFactory(application=application, name="Web")


@pytest.fixture
def provider_key(application: Application) -> ProviderKey:
    return ProviderKeyFactory(application=application, name="Main")


@pytest.fixture
def token(viewer: User) -> str:
    return ApiTokenFactory(user=viewer).plaintext


@pytest.fixture
def made(
    application: Application, app_key: AppKey, provider_key: ProviderKey
) -> Callable[..., Any]:
    """`made(ago=…, outcome=…)`: an event of the shop, of half an hour ago."""

    def make(ago: timedelta = AGO, **fields: object) -> CallEvent:
        at = datetime.now(UTC) - ago
        return make_event(
            **{
                "application": application.id,
                "app_key": app_key.id,
                "provider_key": provider_key.id,
                "started_at": int(at.timestamp() * 1000),
                **fields,
            }
        )

    return make


def keep(events: list[CallEvent]) -> list[Row]:
    """Stores them as rows, without spool and counts; returns the rows."""
    lines = [encode(END, number, number, event)[:-1] for number, event in enumerate(events, 1)]
    gathered = Gathered([(line, 1, 0, False) for line in lines], timezone.now())
    assert not gathered.refused
    SINK.make_room({datetime.fromtimestamp(one.started_at / 1000, UTC).date() for one in events})
    with transaction.atomic():
        SINK.put(rows := gathered.rows(None))
    return rows


@dataclass
class Answer:
    """What a client got so far."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False  # the end of the body came
    size: int = 0


class Client:
    """Asks the application as a server would."""

    def __init__(self, token: str = "", cookies: str = "") -> None:
        self.headers = [(b"host", b"localhost")]
        if token:
            self.headers.append((b"authorization", f"Bearer {token}".encode()))
        if cookies:
            self.headers.append((b"cookie", cookies.encode()))
        self.app = bounded(streamed(get_asgi_application()))

    def get(self, path: str, *, keep_body: bool = True, **headers: str) -> Answer:
        return asyncio.run(self.ask(Answer(), path, keep_body=keep_body, **headers))

    async def ask(
        self,
        answer: Answer,
        path: str,
        left: asyncio.Event | None = None,
        *,
        keep_body: bool = True,
        **headers: str,
    ) -> Answer:
        """Fills the answer in as it comes; hangs up when `left` is set."""
        left, asked = left or asyncio.Event(), False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {n.decode(): v.decode() for n, v in message["headers"]}
                return
            answer.size += len(message.get("body", b""))
            answer.body += message.get("body", b"") if keep_body else b""
            answer.whole = not message.get("more_body")

        more = [(k.lower().replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
            "query_string": query.encode(), "headers": [*self.headers, *more],
            "client": ("127.0.0.1", 5), "server": ("localhost", 80), "scheme": "http",
            "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0"},
        }  # fmt: skip
        await self.app(scope, receive, send)
        return answer


@pytest.fixture
def client_with() -> Iterator[type[Client]]:
    yield Client
