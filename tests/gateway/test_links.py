"""Links back to the provider lead to the gateway, however they are spelled, or nowhere."""

import time

import pytest

from usage.gateway.links import Links

LINKS = Links("groq", "https://api.groq.com/openai", "http://keydeck/gateway")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.groq.com/openai/v1/x?page=2#top",
        "http://api.groq.com/openai/v1/x?page=2#top",
        "//api.groq.com/openai/v1/x?page=2#top",
        "HTTPS://API.Groq.com:443/openai/v1/x?page=2#top",
        "https://someone@api.groq.com/openai/v1/x?page=2#top",
        "/openai/v1/x?page=2#top",
    ],
)
def test_a_link_to_the_provider_comes_back_here(url: str) -> None:
    here = "http://keydeck/gateway/groq/v1/x?page=2#top"
    assert LINKS.in_header(url) == here
    assert LINKS.in_header(f'<{url}>; rel="next"') == f'<{here}>; rel="next"'


@pytest.mark.parametrize("url", ["/other/x", "https://api.groq.com/other/x", "//api.groq.com"])
def test_a_link_to_what_the_gateway_does_not_lead_to_is_dropped(url: str) -> None:
    assert LINKS.in_header(url) == ""


@pytest.mark.parametrize(
    "url",
    ["https://cdn.test/7.png", "x/y", "https://api.groq.com.evil.test/openai", "mailto:a@b.test"],
)
def test_any_other_link_stays(url: str) -> None:
    assert LINKS.in_header(url) == url


@pytest.mark.parametrize("base", ["https://api.groq.com", "http://api.groq.com:80"])
def test_a_link_in_json_is_turned_in_each_spelling(base: str) -> None:
    here = b'{"next": "http://keydeck/gateway/groq/v1/x"}'
    assert LINKS.in_json(f'{{"next": "{base}/openai/v1/x"}}'.encode()) == here


def test_a_link_in_json_that_never_ends_is_walked_over_once() -> None:
    start = time.process_time()
    for end in (b"", b"\\", b"\\\n"):
        body = b'["https://api.groq.com/openai/' + rb"\"https://api.groq.com/openai/" * 8000 + end
        assert LINKS.in_json(body) == body
    assert time.process_time() - start < 2  # once for each link in it: minutes


def test_links_in_a_header_that_never_end_are_walked_over_once() -> None:
    start = time.process_time()
    assert LINKS.in_header("<" * 60_000) == "<" * 60_000
    assert time.process_time() - start < 2
