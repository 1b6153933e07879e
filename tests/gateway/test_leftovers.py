"""A call leaves nothing behind: the plaintext of the keys it had goes with it, at once."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from keys.models import Application
from keys.vault import Secret
from tests.factories import ProviderKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server
from tests.upstream import Upstream
from usage.gateway.exchange import Exchange

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def uncollected() -> Iterator[list[object]]:
    """At its end, what only a collector would find: each thing reachable from itself alone."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found += gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def left_by(gateway: Server, **request: Any) -> list[object]:
    gateway.post(TEXT2IMG, **request)
    with uncollected() as found:
        for _ in range(3):
            gateway.post(TEXT2IMG, **request)
    return [one for one in found if isinstance(one, Exchange | Secret)]


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("is_in_body", [False, True], ids=["key in a header", "key in the body"])
def test_nothing_of_a_call_waits_for_the_collector(
    gateway: Server, provider: Upstream, key: str, status: int, is_in_body: bool
) -> None:
    provider.answer(status, {"status": "error" if status > 200 else "success", "message": "so"})
    body = {"key": key} if is_in_body else {}
    assert left_by(gateway, json=body, headers={} if is_in_body else {"x-api-key": key}) == []


def test_nothing_of_a_refused_call_waits_for_the_collector(gateway: Server, key: str) -> None:
    assert left_by(gateway, json={"key": key[:-1]}) == []


def test_nothing_of_a_stream_waits_for_the_collector(
    gateway: Server, provider: Upstream, key: str
) -> None:
    told = {"Content-Type": "text/event-stream"}
    provider.answer(200, (b"data: 1\n\n", b"data: 2\n\n"), headers=told)
    assert left_by(gateway, json={}, headers={"x-api-key": key}) == []


def test_nothing_of_a_call_with_two_keys_waits_for_the_collector(
    gateway: Server, provider: Upstream, key: str, application: Application
) -> None:
    ProviderKeyFactory(application=application, secret="another" * 5)
    provider.answer(429, {"status": "error", "message": "Rate limit exceeded"})
    assert left_by(gateway, json={}, headers={"x-api-key": key}) == []
