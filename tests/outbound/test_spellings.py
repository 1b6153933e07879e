"""No spelling of a private address gets a packet out of Keydeck, whichever way it is asked.

The data is in spellings.py. The resolver and `connect` are stand-ins: nothing here touches a
network, and whatever name the table doesn't know resolves to this machine.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import requests
from hypothesis import given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from pytest_django import Settings

from keys.destinations import check_address, is_public
from keys.lifecycle import Invalid
from keys.lifecycle.providers import clean_base_url
from keys.outbound import Blocked, OutboundError, check_host, connector, fetch
from keys.sign_in.single_sign_on import SingleSignOnAdapter
from tests.outbound import spellings
from tests.outbound.spellings import PUBLIC_ANSWER, REBINDING
from tests.upstream import Upstream
from usage.gateway import transport
from usage.gateway.errors import Denial

REFUSED = (Blocked, OutboundError, Denial, requests.RequestException, aiohttp.ClientError)


@dataclass
class Network:
    """What was asked of the resolver, and where a connection was attempted."""

    answers: dict[str, tuple[tuple[str, ...], ...]]
    otherwise: str
    asked: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)

    def addresses(self, host: str) -> Iterable[str]:
        name = host.lower().rstrip(".")
        turns = self.answers.get(name, ((self.otherwise,),))
        turn = self.asked.count(name)
        self.asked.append(name)
        return turns[min(turn, len(turns) - 1)]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    real = socket.getaddrinfo
    known = {name.lower().rstrip("."): said for name, said in spellings.RESOLVING.items()}
    known[REBINDING] = ((PUBLIC_ANSWER,), ("127.0.0.1",))
    stage = Network(known, otherwise="127.0.0.1")

    def numeric(host: str, port: int, **options: Any) -> list[Any]:
        return real(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST, **options)

    def resolve(host: Any, port: Any, *_: object, **__: object) -> list[Any]:
        text = host.decode() if isinstance(host, bytes) else host
        try:
            return numeric(text, port)
        except socket.gaierror:
            return [found for said in stage.addresses(text) for found in numeric(said, port)]

    def connect(_: socket.socket, target: tuple[Any, ...]) -> None:
        stage.connected.append(target[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)
    return stage


Ask = Callable[[str], None]


def by_probe(url: str) -> None:
    fetch("GET", url, timeout=20)


def by_sign_in(url: str) -> None:
    SingleSignOnAdapter(None).get_requests_session().get(url)


def by_gateway(url: str) -> None:
    async def ask() -> None:
        try:
            transport.leave(await transport.ask(url, "", "GET", (), None, None))
        finally:
            await transport.close()

    asyncio.run(ask())


def by_plain_client(url: str) -> None:
    """The gateway's connector under a client that reads the URL anew, as IDNA says."""

    async def ask() -> None:
        async with (
            aiohttp.ClientSession(connector=connector()) as session,
            session.get(url, allow_redirects=False),
        ):
            pass

    asyncio.run(ask())


DOORS = (by_probe, by_gateway)
WAYS_OUT = (*DOORS, by_sign_in, by_plain_client)


def all_urls() -> Iterator[str]:
    for hosts in (*spellings.LITERALS.values(), spellings.UNICODE, spellings.NAMES):
        yield from (f"https://{host}/" for host in hosts)
    yield from spellings.URLS


def resolving_urls() -> Iterator[str]:
    return (f"https://{name}/" for name in spellings.RESOLVING)


def ends(act: Ask, url: str, kinds: tuple[type[Exception], ...]) -> str:
    """Empty when it was refused as it should be, else what happened."""
    try:
        act(url)
    except kinds:
        return ""
    except ValueError as error:  # no library takes it for a URL
        return "" if not isinstance(error, Invalid) else repr(error)
    return "let through"


def test_every_spelling_is_another_and_there_are_enough() -> None:
    urls = [*all_urls(), *resolving_urls()]
    print(f"{len(urls)} spellings, {len(WAYS_OUT)} ways out")
    assert len(set(urls)) == len(urls) >= 300


def test_no_private_address_becomes_a_providers() -> None:
    told = {url: ends(clean_base_url, url, (Invalid,)) for url in all_urls()}
    assert {url: fault for url, fault in told.items() if fault} == {}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_spelling_gets_a_packet_out(way: Ask, network: Network) -> None:
    urls = [*all_urls(), *resolving_urls()]
    told = {url: ends(way, url, REFUSED) for url in urls}
    assert {url: fault for url, fault in told.items() if fault} == {}
    assert network.connected == []


@pytest.mark.parametrize("way", DOORS)
def test_a_name_is_looked_up_once_a_connection_and_held_to_that_answer(
    way: Ask, network: Network
) -> None:
    clean_base_url(f"https://{REBINDING}/v1")
    for _ in range(3):
        assert ends(way, f"https://{REBINDING}/v1", REFUSED) == ""
    assert network.asked == [REBINDING] * 3
    assert network.connected == [PUBLIC_ANSWER]


@pytest.mark.parametrize("way", DOORS)
def test_the_open_internet_is_let_through(way: Ask, network: Network) -> None:
    network.otherwise = PUBLIC_ANSWER
    for host in spellings.PUBLIC + spellings.PUBLIC_NAMES:
        clean_base_url(f"https://{host}/v1")
        network.connected.clear()
        assert ends(way, f"https://{host}/v1", REFUSED) == ""
        literal = host in spellings.PUBLIC
        wanted = ipaddress.ip_address(host.strip("[]") if literal else PUBLIC_ANSWER)
        assert list(map(ipaddress.ip_address, network.connected)) == [wanted], host


@pytest.mark.parametrize("way", DOORS)
def test_the_operator_lets_one_port_of_one_spelling_through(
    way: Ask, network: Network, settings: Settings
) -> None:
    for entry, through, refused in spellings.ALLOWED:
        settings.OUTBOUND_ALLOW = [entry]
        network.otherwise = PUBLIC_ANSWER if through.startswith("api.") else "10.9.9.9"
        network.connected.clear()
        clean_base_url(f"https://{through}")
        assert ends(way, f"https://{through}/", REFUSED) == ""
        assert len(network.connected) == 1, entry
        network.otherwise = "10.9.9.9"
        for other in refused:
            assert ends(way, f"https://{other}/", REFUSED) == ""
        assert len(network.connected) == 1, entry


@pytest.mark.parametrize("way", DOORS)
def test_plain_http_goes_where_the_operator_said_and_nowhere_else(
    way: Ask, network: Network, settings: Settings
) -> None:
    settings.OUTBOUND_ALLOW = ["[fd00::5]:8080", "10.0.0.5:80"]
    network.otherwise = PUBLIC_ANSWER
    for url in ("http://8.8.8.8/", "http://api.example.com/", "http://10.0.0.5:8080/"):
        assert ends(clean_base_url, url, (Invalid,)) == ""
        assert ends(way, url, REFUSED) == ""
    assert network.connected == []
    for url in ("http://[fd00::5]:8080", "http://10.0.0.5", "http://10.0.0.5:80"):
        assert clean_base_url(url) == url
        assert ends(way, f"{url}/", REFUSED) == ""
    assert network.connected == ["fd00::5", "10.0.0.5", "10.0.0.5"]


@pytest.mark.parametrize("way", DOORS)
def test_a_proxy_is_asked_for_no_private_address(
    way: Ask, network: Network, settings: Settings
) -> None:
    settings.OUTBOUND_PROXY = "http://10.3.3.3:3128"
    urls = set(all_urls()) - set(spellings.URLS)
    told = {url: ends(way, url, REFUSED) for url in urls}
    assert {url: fault for url, fault in told.items() if fault} == {}
    assert network.connected == []
    assert ends(way, "https://api.example.com/", REFUSED) == ""
    assert network.connected == ["10.3.3.3"]
    assert ends(clean_base_url, "http://10.3.3.3:3128", (Invalid,)) == ""


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_follows_a_redirect(
    way: Ask, upstream: Upstream, settings: Settings, status: int
) -> None:
    settings.OUTBOUND_ALLOW = [upstream.host]
    upstream.answer(status, b"", headers={"Location": f"{upstream.url}/private"})
    ends(way, f"{upstream.url}/", REFUSED)
    assert [request.path for request in upstream.requests] == ["/"]


def embeddings(address: ipaddress.IPv4Address) -> list[ipaddress.IPv6Address]:
    number = int(address)
    return [
        ipaddress.IPv6Address(text)
        for text in (
            number,
            0xFFFF << 32 | number,
            0xFFFF << 48 | number,
            0x64FF9B << 96 | number,
            0x64FF9B0001 << 80 | number,
            0x2002 << 112 | number << 80,
            0x2002 << 112 | number << 80 | 1,
            0x20010000 << 96 | number << 64,
            0x20010000 << 96 | number ^ 0xFFFFFFFF,
            0x26064700 << 96 | 0x5EFE << 32 | number,
            0x26064700 << 96 | 0x02005EFE << 32 | number,
        )
    ]


def let_through(check: Callable[[], None]) -> bool:
    try:
        check()
    except Blocked:
        return False
    return True


def decisions(host: str, address: str) -> set[bool]:
    return {
        let_through(lambda: check_host(host, 443)),
        let_through(lambda: check_address("api.example.com", address, 443, plain=False)),
    }


@tuned(max_examples=60, deadline=None)
@given(st.ip_addresses(v=4))
def test_no_embedding_of_an_address_is_let_through(address: ipaddress.IPv4Address) -> None:
    """Not even of a public one: nobody writes a provider's address so, and the way back differs."""
    for wrapped in embeddings(address):
        assert decisions(f"[{wrapped}]", str(wrapped)) == {False}


@tuned(max_examples=60, deadline=None)
@given(st.ip_addresses())
def test_every_door_decides_alike_and_never_laxer_than_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    told = is_public(address)
    texts = {str(address), address.exploded, str(address).upper()}
    for text in texts:
        host = f"[{text}]" if address.version == 6 else text
        assert decisions(host, text) == {told}
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert not told


@tuned(max_examples=60, deadline=None)
@given(st.ip_addresses(v=4))
def test_no_number_is_taken_for_an_address(address: ipaddress.IPv4Address) -> None:
    number, parts = int(address), address.packed
    for text in (
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(map(hex, parts)),
        ".".join(f"0{part:o}" for part in parts),
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"{parts[0]}.{parts[1]}.{number & 0xFFFF}",
    ):
        assert not let_through(lambda text=text: check_host(text, 443))  # type: ignore[misc]
