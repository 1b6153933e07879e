"""A provider to ask about secrets: the upstream, described as the custom provider "acme"."""

import pytest

from keys import lifecycle
from keys.audit import Actor
from keys.models import AppKey, Provider, ProviderKey
from keys.states import Stage
from tests.upstream import Answer, Received, Upstream


class Acme:
    """Says of each secret what it is told; one never heard of is refused."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.answers: dict[str, int] = {}
        upstream.handler = self._answer

    def knows(self, secret: str, status: int = 200) -> str:
        self.answers[secret] = status
        return secret

    def _answer(self, received: Received) -> Answer | None:
        secret = (received.header("Authorization") or "").removeprefix("Bearer ")
        status = self.answers.get(secret, 401)
        body = b'{"ok": true}' if status == 200 else b'{"message": "no"}'
        return Answer(status, body, {"Content-Type": "application/json"})


@pytest.fixture
def acme(allow_upstream: Upstream, db: None) -> Acme:
    lifecycle.create_custom_provider(
        Actor.system("test"),
        slug="acme",
        name="Acme",
        base_url=allow_upstream.url,
        credential_in="bearer",
        probe_path="/me",
    )
    return Acme(allow_upstream)


@pytest.fixture
def blind(allow_upstream: Upstream, db: None) -> Provider:
    """A provider without a free request to check with."""
    return lifecycle.create_custom_provider(
        Actor.system("test"),
        slug="blind",
        name="Blind",
        base_url=allow_upstream.url,
        credential_in="header",
        credential_name="X-Blind-Key",
    )


def break_secret(key: ProviderKey | AppKey) -> None:
    version = key.versions.get(stage=Stage.CURRENT)
    version.sealed = version.sealed[:-8] + "AAAAAAA="
    version.save()
