"""The caller's address: a forwarded one is believed of trusted proxies alone."""

import pytest

from keys import addresses
from keys.addresses import client_address, request_address

PROXIES = ["10.0.0.0/8", "::1"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # a stranger's word
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:203.0.113.9", "", "203.0.113.9"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("", "198.51.100.1", ""),
        ("testserver", "", ""),
    ],
)
def test_the_nearest_address_that_is_no_proxy_counts(
    peer: str, forwarded: str, address: str
) -> None:
    assert client_address(peer, forwarded, PROXIES) == address


def test_without_trusted_proxies_nothing_forwarded_counts() -> None:
    meta = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}
    assert request_address(meta) == "10.0.0.1"


def test_what_a_stranger_says_of_its_address_is_not_kept() -> None:
    """A header of any length, of anybody, before anything of it is believed."""
    client_address("203.0.113.9", "", [])
    kept = [cache.cache_info().currsize for cache in (addresses._spelled, addresses._is_trusted)]
    for number in range(20):
        told = f"kd_live_{number}" * 1000
        assert client_address("203.0.113.9", told, []) == "203.0.113.9"
    assert addresses._spelled.cache_info().currsize == kept[0]
    assert addresses._is_trusted.cache_info().currsize <= kept[1] + 1


def test_an_endless_chain_of_proxies_is_looked_at_a_little() -> None:
    chain = ", ".join(["198.51.100.7", *["10.0.0.1"] * 100_000])
    assert client_address("10.0.0.1", chain, ["10.0.0.0/8"]) == "10.0.0.1"
