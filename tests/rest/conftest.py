"""REST as its users see it: a client with a token, and an application with keys to act on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from keys.models import AppKey, Application, ProviderKey, User
from tests.factories import ApiTokenFactory, AppKeyFactory, ProviderKeyFactory

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
