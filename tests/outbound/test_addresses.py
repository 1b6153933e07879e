"""Which addresses Keydeck connects to."""

import ipaddress

import pytest
from pytest_django import Settings

from keys.destinations import check_address, is_public
from keys.outbound import Blocked, check_host, check_url


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "2001:0:1::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_of_the_open_internet_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(Blocked):
        check_address("api.example.com", address, 443, plain=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "104.18.0.1", "2606:4700::1111"])
def test_a_public_address_may_be_reached_over_tls_alone(address: str) -> None:
    check_address("api.example.com", address, 443, plain=False)
    with pytest.raises(Blocked):
        check_address("api.example.com", address, 80, plain=True)


@pytest.mark.parametrize(
    "allowed", ["127.0.0.1:8001", "mirror.local:8001", "[fd00::1]:8001", "fd00::1:8001"]
)
def test_the_operator_lets_one_port_of_one_host_through(allowed: str, settings: Settings) -> None:
    settings.OUTBOUND_ALLOW = [allowed]
    name, address = ("mirror.local", "127.0.0.1") if "fd00" not in allowed else ("x", "fd00::1")
    check_address(name, address, 8001, plain=True)
    with pytest.raises(Blocked):
        check_address(name, address, 8002, plain=False)


def test_a_scope_does_not_hide_a_link_local_address() -> None:
    with pytest.raises(Blocked):
        check_address("api.example.com", "fe80::1%eth0", 443, plain=False)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "localhost",
        "LOCALHOST.",
        "api.localhost",
        "printer.local",
        "metadata.google.internal",
        "redis",
    ],
)
def test_a_host_that_is_private_by_its_spelling_is_refused(host: str, settings: Settings) -> None:
    with pytest.raises(Blocked):
        check_host(host, 443)
    settings.OUTBOUND_ALLOW = [f"{host.strip('[].').lower()}:443"]
    check_host(host, 443)


@pytest.mark.parametrize("host", ["api.example.com", "8.8.8.8", "[2606:4700::1111]", "1a.2b"])
def test_a_host_of_the_open_internet_is_fine(host: str) -> None:
    check_host(host, 443)


BASE = "https://api.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1/me",
        "https://api.example.com:443/v1/me?a=b%20c",
        "https://API.example.com/",
        "https://api.example.com",
        "https://api.example.com?x=1",
    ],
)
def test_a_url_at_the_base_is_fine(url: str) -> None:
    check_url(url, BASE)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://api.example.com:8443/",
        "https://api.example.com.evil.com/",
        "https://evil.com/https://api.example.com/",
        "https://api.example.com@evil.com/",
        "https://evil.com\\@api.example.com/",
        "https://api.example.com\\.evil.com/",
        "https://evil.com#@api.example.com/",
        "https://api.example.com/#fragment",
        "//api.example.com/",
        "ftp://api.example.com/",
        "file:///etc/passwd",
        "https:///api.example.com/",
        "https://api.example.com/a b",
        "https://api.example.com/a\nHost: evil.com",
        "https://api.example.com/v1/../admin",
        "https://api.example.com/v1/%2e%2E/admin",
        "https://api.example.com/v1/./me",
        "",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(Blocked):
        check_url(url, BASE)


def test_a_base_with_a_path_holds_its_urls_below_it() -> None:
    check_url("https://host.example.com/api/v1", "https://host.example.com/api/")
    check_url("https://host.example.com/api", "https://host.example.com/api/")
    for url in ("https://host.example.com/apiary", "https://host.example.com/", BASE + "/api/v1"):
        with pytest.raises(Blocked):
            check_url(url, "https://host.example.com/api/")


def test_a_private_address_as_a_base_needs_the_operators_word(settings: Settings) -> None:
    with pytest.raises(Blocked):
        check_url("https://127.0.0.1:9/x", "https://127.0.0.1:9")
    with pytest.raises(Blocked):
        check_url("https://[::1]:9/x", "https://[::1]:9")
    settings.OUTBOUND_ALLOW = ["127.0.0.1:9"]
    check_url("https://127.0.0.1:9/x", "https://127.0.0.1:9")
