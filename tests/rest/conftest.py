"""REST as its users see it: a client with a token, and an application with keys to act on."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uuid_utils
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from keys.models import AppKey, Application, ProviderKey, User
from tests.factories import ApiTokenFactory, AppKeyFactory, ProviderKeyFactory
from usage import spool
from usage.events import CallEvent, Outcome, Source
from usage.ingest import drain
from usage.spool import Spool

NOW = datetime.now(UTC)
SECRET = "ml-canary-0123456789abcdef-shop"


@dataclass
class Answer:
    status: int
    json: Any
    text: str
    response: HttpResponse


class Rest:
    """Speaks to /api/v1 with one token; no cookies."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.raises = True  # what goes wrong inside, rather than answer 500

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        return self.send(method, path, raw, query)

    def send(
        self,
        method: str,
        path: str,
        raw: bytes | str | None = None,
        query: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        client = Client(headers=headers, raise_request_exception=self.raises)
        response = client.generic(
            method,
            f"/api/v1{path}",
            raw or b"",
            content_type=content_type,
            query_params=query or {},
        )
        text = response.content.decode()
        return Answer(response.status_code, json.loads(text) if text else None, text, response)

    def get(self, path: str, **query: Any) -> Answer:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.call("POST", path, body)

    def patch(self, path: str, body: Any = None) -> Answer:
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)


@pytest.fixture
def rest() -> Callable[..., Rest]:
    """`rest(user)`: REST with a token of theirs; `scopes=[…]` for a weaker one."""

    def sign_in(user: User, **token: Any) -> Rest:
        return Rest(ApiTokenFactory(user=user, **token).plaintext)

    return sign_in


@pytest.fixture
def provider_key(application: Application) -> ProviderKey:
    return ProviderKeyFactory(application=application, name="Main", secret=SECRET)


@pytest.fixture
def app_key(application: Application) -> AppKey:
    return AppKeyFactory(application=application, name="Backend")


@pytest.fixture
def record(
    tmp_path: Path,
    settings: Settings,
    application: Application,
    app_key: AppKey,
    provider_key: ProviderKey,
) -> Iterator[Callable[..., list[CallEvent]]]:
    """Stores calls as gateway and wrapper do; the last is the newest."""
    settings.SPOOL_DIR = tmp_path / "spool"
    mine = Spool(settings.SPOOL_DIR / spool.new_writer_id())

    def keep(*calls: dict[str, Any], **fields: Any) -> list[CallEvent]:
        made = []
        for number, call in enumerate(calls or ({},)):
            event = CallEvent(
                **{
                    "id": str(uuid_utils.uuid7()),
                    "source": Source.GATEWAY,
                    "application": application.id,
                    "app_key": app_key.id,
                    "provider": "modelslab",
                    "provider_key": provider_key.id,
                    "method": "POST",
                    "endpoint": "/api/v6/images/text2img",
                    "started_at": int((NOW - timedelta(minutes=30)).timestamp() * 1000) + number,
                    "outcome": Outcome.OK,
                    "status": 200,
                    "latency_ms": 20.0,
                    "bytes_in": 10,
                    "bytes_out": 20,
                    "attempts": 1,
                    **fields,
                    **call,
                }
            )
            mine.end(mine.begin(event), event)
            made.append(event)
        drain(mine.directory)
        return made

    yield keep
    mine.close()
