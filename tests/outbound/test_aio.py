"""The gateway's client is held to the same addresses."""

import asyncio
import socket

import aiohttp
import pytest
from pytest_django import Settings

from keys.outbound import Blocked, connector, resolver
from tests.upstream import Upstream


def get(url: str) -> int:
    async def ask() -> int:
        async with aiohttp.ClientSession(connector=connector()) as session, session.get(url) as got:
            await got.read()
            return got.status

    return asyncio.run(ask())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_a_private_address_is_refused_by_name_and_as_an_address(
    upstream: Upstream, host: str
) -> None:
    with pytest.raises(Blocked):
        get(f"http://{host}:{upstream.port}/")
    assert upstream.requests == []


@pytest.mark.parametrize("host", ["127.1", "2130706433"])
def test_no_old_spelling_of_an_address_gets_past_the_check(upstream: Upstream, host: str) -> None:
    with pytest.raises((Blocked, aiohttp.ClientError)):
        get(f"http://{host}:{upstream.port}/")
    assert upstream.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_the_operator_let_through_is_reached(
    upstream: Upstream, settings: Settings, host: str
) -> None:
    settings.OUTBOUND_ALLOW = [upstream.host, f"[::1]:{upstream.port}"]
    assert get(f"http://{host}:{upstream.port}/") == 200


def test_plain_http_to_a_public_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def public(host: str, port: int, *_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]

    monkeypatch.setattr(socket, "getaddrinfo", public)
    with pytest.raises(Blocked):
        get("http://api.example.com/")


def test_the_resolver_alone_checks_too() -> None:
    async def ask() -> object:
        return await resolver().resolve("localhost", 80)

    with pytest.raises(Blocked):
        asyncio.run(ask())
